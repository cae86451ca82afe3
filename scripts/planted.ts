/**
 * `npm run test:planted`: plants one bug at a time in a copy of the project and runs the tests of what it is in,
 * which must notice it. Prints a table; exits with 1 if a bug survives, if one no longer applies, or if the
 * tests fail without any.
 */

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PLANTED_BUGS, type PlantedBug } from "../test/planted/bugs.ts";
import { filesUnder, QUIET_FLAG, ROOT, readArguments } from "./tools.ts";

const WORDS = readArguments(
  `Usage: npm run test:planted -- [WORD…]

Plants bugs, one at a time, in a copy of the project and shows that the tests notice each. With words, only
those bugs whose name has one of them.`,
  true,
);

/** What a copy of the project needs for these tests. */
const COPIED = ["src", "test", "bench", "scripts", "package.json", "tsconfig.json"];
/** Tests that bugs are planted for. */
const FOLDERS = [
  "test/drivers/zbud",
  "test/drivers/slots",
  "test/drivers/zsmalloc",
  "test/zpool",
  "test/trace",
  "test/memory",
  "test/engine",
  "test/store",
  "test/backing",
];
/** Left out: what measures memory, and what takes long without asking more of what it is about. */
const LEFT_OUT = /\/(memory|large|redis)\.test\.ts$|^test\/drivers\/zbud\/fit/;
/** Whose code a bug is in, and which tests must notice it: the first line that fits holds. */
const PARTS: readonly { name: string; code: RegExp; tests: RegExp }[] = [
  { name: "trace", code: /^src\/trace\//, tests: /^test\/trace\// },
  {
    name: "ladder",
    code: /^src\/drivers\/zbud\/(ladder|segments|rungs|zbud-ladder)/,
    tests: /^test\/drivers\/zbud\/ladder/,
  },
  {
    name: "engine and store",
    code: /^src\/(engine|store)\//,
    tests: /^test\/(engine\/(?!points)|store\/(?!threads))/,
  },
  { name: "file", code: /^src\/backing\//, tests: /^test\/backing\/(contract|reopen|file)/ },
  { name: "slots", code: /^src\/drivers\/slots\//, tests: /^test\/drivers\/slots\// },
  { name: "zsmalloc", code: /^src\/drivers\/zsmalloc\//, tests: /^test\/drivers\/zsmalloc\// },
  {
    name: "zbud",
    code: /^src\/drivers\/zbud\//,
    tests: /^test\/(drivers\/zbud\/(?!ladder)|zpool\/|memory\/)/,
  },
  {
    name: "all drivers",
    code: /^/,
    tests: /^test\/(?!engine|store|backing|trace\/(damaged|mutated|record))/,
  },
];
const WORKERS = 2;
/** A run that takes so many times longer than without a bug, and so long, hangs: one way to notice a bug. */
const HANG_FACTOR = 5;
const HANG_MS_MIN = 20_000;
/** A run is ended when so many tests have failed: the bug is noticed. */
const FAILURES_ENOUGH = 3;
/** Fewer random operations than in CI: a planted bug shows early. */
const QUICK = { ZBUD_PROPERTY_OPERATIONS: "15000", ZBUD_FAST_CHECK_RUNS: "60" };

interface RunResult {
  ms: number;
  hangs: boolean;
  ok: boolean;
  /** Names of failed tests, in order. */
  failed: string[];
  output: string;
}

function copyProject(): string {
  const folder = mkdtempSync(join(tmpdir(), "zbud-planted-"));
  for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"), "dir");
  return folder;
}

/** Node 22 has the same flag under an earlier name. */
const ISOLATION =
  Number(process.versions.node.split(".")[0]) < 24
    ? "--experimental-test-isolation=none"
    : "--test-isolation=none";

/** What tests print themselves, which reaches the same output. */
const PRINTED = /^(fast-check seed|seeds \d)/;

/** Runs tests in one process: a run that hangs is then ended by ending that process. */
function runTests(folder: string, files: readonly string[], msMax: number): Promise<RunResult> {
  const started = performance.now();
  const args = [QUIET_FLAG, "--test", ISOLATION, "--test-reporter=./test/planted/reporter.ts", ...files];
  // A test that runs this script must not pass on that it is a test.
  const env = { ...process.env, ...QUICK, NODE_TEST_CONTEXT: undefined };
  const { promise, resolve } = Promise.withResolvers<RunResult>();
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  let hangs = false;
  child.stdout.on("data", (bytes: Buffer) => {
    output += bytes;
    if (failedIn(output).length >= FAILURES_ENOUGH) child.kill("SIGKILL");
  });
  child.stderr.on("data", (bytes: Buffer) => {
    errors += bytes;
  });
  const timer = setTimeout(() => {
    hangs = true;
    child.kill("SIGKILL");
  }, msMax);
  child.on("close", (code) => {
    clearTimeout(timer);
    const ms = performance.now() - started;
    resolve({ ms, hangs, ok: code === 0, failed: failedIn(output), output: output + errors });
  });
  return promise;
}

/** The names of failed tests: every whole line that no test printed itself. */
function failedIn(output: string): string[] {
  const lines = output.slice(0, output.lastIndexOf("\n") + 1).split("\n");
  return lines.filter((line) => line !== "" && !PRINTED.test(line));
}

/** Plants one bug in `folder`, runs the tests, and takes it out again. Null: it no longer applies. */
async function tryBug(
  folder: string,
  bug: PlantedBug,
  files: readonly string[],
  msMax: number,
): Promise<RunResult | null> {
  const path = join(folder, bug.file);
  const text = readFileSync(path, "utf8");
  const parts = text.split(bug.find);
  if (parts.length !== 2) return null;
  writeFileSync(path, parts.join(bug.replace));
  try {
    return await runTests(folder, files, msMax);
  } finally {
    writeFileSync(path, text);
  }
}

/** What became of a bug, for the table. */
function verdictOf(bug: PlantedBug, result: RunResult | null): { noticed: boolean; line: string } {
  const missed = (why: string): { noticed: boolean; line: string } => ({
    noticed: false,
    line: `✖ ${bug.name}\n    ${why}`,
  });
  if (result === null) return missed(`does not apply: its text must be in ${bug.file} exactly once`);
  if (result.ok) return missed("SURVIVED");
  const { failed, hangs } = result;
  if (failed.some((name) => name.endsWith(".test.ts")) || (failed.length === 0 && !hangs)) {
    return missed(`is no bug but broken code:\n${result.output}`);
  }
  const shown = [...failed.slice(0, FAILURES_ENOUGH), ...(hangs ? ["the run hangs"] : [])];
  return {
    noticed: true,
    line: `✔ ${bug.name} (${secondsOf(result.ms)})\n    ${shown.join("\n    ")}`,
  };
}

function partOf({ file }: PlantedBug): (typeof PARTS)[number] {
  return PARTS.find(({ code }) => code.test(file)) as (typeof PARTS)[number];
}

function secondsOf(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

async function main(): Promise<void> {
  const started = performance.now();
  const bugs = PLANTED_BUGS.filter(
    ({ name }) => WORDS.length === 0 || WORDS.some((word) => name.includes(word)),
  );
  const folders = Array.from({ length: WORKERS }, copyProject);
  process.once("exit", () => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  process.once("SIGINT", () => process.exit(130));
  const all = FOLDERS.flatMap((folder) => filesUnder(folder, ".test.ts")).filter(
    (file) => !LEFT_OUT.test(file),
  );
  const parts = new Map<string, { files: string[]; msMax: number }>();
  for (const { name, tests } of new Set(bugs.map(partOf))) {
    const files = all.filter((file) => tests.test(file));
    const clean = await runTests(folders[0], files, 600_000);
    if (!clean.ok) {
      console.error(
        `${clean.output}\nThe tests fail without any planted bug; mend that first: npm run test:unit`,
      );
      process.exitCode = 1;
      return;
    }
    console.log(`✔ no bug: ${name} (${secondsOf(clean.ms)})`);
    parts.set(name, { files, msMax: Math.max(clean.ms * HANG_FACTOR, HANG_MS_MIN) });
  }

  const queue = [...bugs];
  let missed = 0;
  const work = async (folder: string): Promise<void> => {
    for (let bug = queue.shift(); bug !== undefined; bug = queue.shift()) {
      const { files, msMax } = parts.get(partOf(bug).name) as { files: string[]; msMax: number };
      const { noticed, line } = verdictOf(bug, await tryBug(folder, bug, files, msMax));
      if (!noticed) missed++;
      console.log(line);
    }
  };
  await Promise.all(folders.map(work));
  const total = secondsOf(performance.now() - started);
  console.log(`\n${bugs.length - missed} of ${bugs.length} planted bugs were noticed (${total})`);
  if (missed > 0) process.exitCode = 1;
}

await main();
