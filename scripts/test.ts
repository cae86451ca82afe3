import { readArguments, runNode, secondsSince } from "./tools.ts";

readArguments(`Usage: npm test

Every check. Each one is also a command of its own:
  npm run extras        install what only some tests need
  npm run check         types, lint and format
  npm run test:package  build, pack, publint, attw, install the tarball, run the examples with it
  npm run site          the documentation site: pages, links, API
  npm run test:unit     all node tests: layer order, units, contracts, properties, traces, command line,
                        examples, small benchmarks`);

// The node tests come last, so that their totals are the end of the output.
const STEPS = ["extras", "check", "package", "site", "unit"] as const;
const COMMANDS = {
  extras: "npm run extras",
  check: "npm run check",
  package: "npm run test:package",
  site: "npm run site",
  unit: "npm run test:unit",
};

const failed: string[] = [];
STEPS.forEach((step, index) => {
  console.log(`\n▶ ${index + 1}/${STEPS.length} ${COMMANDS[step]}`);
  const start = performance.now();
  const { ok } = runNode([`scripts/${step}.ts`]);
  if (!ok) failed.push(COMMANDS[step]);
  // Nothing follows node's totals when all is well.
  if (!ok || step !== "unit") console.log(`${ok ? "✔" : "✖"} ${COMMANDS[step]} (${secondsSince(start)})`);
});
if (failed.length > 0) {
  console.error(`\n✖ failed, and can be run alone: ${failed.join("; ")}`);
  process.exitCode = 1;
}
