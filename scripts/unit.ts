import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { failUsage, filesUnder, QUIET_FLAG, ROOT, readArguments, run, temporaryFolder } from "./tools.ts";

const USAGE = `Usage: npm run test:unit -- [PART…]

Runs the test files whose path has one of the given parts, such as "zbud" or "meta/layers"; all of them
when none is given.`;

const parts = readArguments(USAGE, true);
const all = filesUnder("test", ".test.ts");
const lost = parts.find((part) => !all.some((file) => file.includes(part)));
if (lost !== undefined) failUsage(`no test file has "${lost}" in its path`, USAGE);
const files = parts.length === 0 ? all : all.filter((file) => parts.some((part) => file.includes(part)));

// Two at a time even on one core: much of the time goes into starting processes.
const concurrency = Math.max(2, availableParallelism());
const folder = temporaryFolder("test");
const totals = join(folder, "totals");
const { ok } = run(
  process.execPath,
  [
    QUIET_FLAG,
    "--expose-gc",
    "--test",
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./scripts/totals-reporter.ts",
    `--test-reporter-destination=${totals}`,
    `--test-concurrency=${concurrency}`,
    "--test-timeout=600000",
    ...files,
  ],
  { cwd: ROOT },
);
if (!ok) {
  if (existsSync(totals)) console.log(`\n${readFileSync(totals, "utf8").trimEnd()}`);
  process.exitCode = 1;
}
