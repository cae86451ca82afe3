import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bin, ROOT, type RunResult, readArguments, runNode, runSteps } from "./tools.ts";

readArguments(`Usage: npm run build

Writes dist/: the library as separate modules with their types (tsc), and the command line as one file
with its libraries inside (rolldown).`);

const SHEBANG = "#!/usr/bin/env node\n";

rmSync(join(ROOT, "dist"), { recursive: true, force: true });
await runSteps([
  { name: "library", run: () => runNode([bin("typescript", "tsc"), "--project", "tsconfig.build.json"]) },
  { name: "command line", run: bundle },
]);

function bundle(): RunResult {
  const result = runNode([bin("rolldown", "rolldown"), "--config", "rolldown.config.ts"], { capture: true });
  if (result.ok) {
    const file = join(ROOT, "dist/cli.js");
    const code = readFileSync(file, "utf8");
    if (!code.startsWith("#!")) writeFileSync(file, SHEBANG + code);
    chmodSync(file, 0o755);
  }
  return result;
}
