import { bin, readArguments, runNode, runSteps } from "./tools.ts";

readArguments(`Usage: npm run check

Types (tsc), then lint and format (Biome). "npm run format" fixes what Biome can fix.`);

await runSteps([
  { name: "types", run: () => runNode([bin("typescript", "tsc"), "--project", "tsconfig.json"]) },
  {
    name: "types of the pages and of the tests in a browser",
    run: () => runNode([bin("typescript", "tsc"), "--project", "web/tsconfig.json"]),
  },
  {
    name: "lint and format",
    run: () => runNode([bin("@biomejs/biome", "biome"), "check", "--error-on-warnings"]),
  },
]);
