/**
 * `npm run test:planted`: plants one bug at a time in a copy of the project and runs the tests of what it is in,
 * which must notice it. Prints a table; exits with 1 if a bug survives, if one no longer applies, or if the
 * tests fail without any.
 *
 * Test files run one by one, those first that noticed most bugs for the time that they take, and none after the first
 * that notices the bug.
 */

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PLANTED_BUGS } from "../test/planted/bugs.ts";
import type { PlantedBug } from "../test/planted/planted-bug.ts";
import { filesUnder, QUIET_FLAG, ROOT, readArguments } from "./tools.ts";

/** What a copy of the project needs for these tests. */
const COPIED = ["src", "test", "bench", "scripts", "docs", "package.json", "tsconfig.json"];
/** Tests that bugs are planted for. */
const FOLDERS = [
  "test/drivers/zbud",
  "test/drivers/slots",
  "test/drivers/zsmalloc",
  "test/drivers/log",
  "test/zpool",
  "test/trace",
  "test/memory",
  "test/pool",
  "test/threads",
  "test/engine",
  "test/store",
  "test/cache",
  "test/backing",
  "test/machines",
  "test/redis",
  "test/record",
  "test/base",
];
/** Left out: what measures memory, and what takes long without asking more of what it is about. */
const LEFT_OUT = /\/(memory|large|redis|tier-redis)\.test\.ts$|^test\/drivers\/zbud\/fit/;

interface Part {
  readonly name: string;
  /** Whose code a bug is in; one whose name begins with the part's is of this part as well. */
  readonly code: RegExp;
  /** Which tests must notice it. */
  readonly tests: RegExp;
}

/** The first that fits holds. */
const PARTS: readonly Part[] = [
  {
    name: "machines",
    code: /^src\/(adapters\/redis\/|cache\/(coherent|hearing))/,
    tests: /^test\/(machines\/machines|redis\/(breaks|cluster-tier|coherence|late-writes|reshard))/,
  },
  { name: "cache", code: /^src\/cache\//, tests: /^test\/cache\/(?!dictionary|faults|threads)/ },
  { name: "trace", code: /^src\/trace\//, tests: /^test\/trace\// },
  {
    name: "size classes",
    code: /^src\/drivers\/size-classes\//,
    tests: /^test\/drivers\/size-classes\//,
  },
  { name: "engine", code: /^src\/engine\//, tests: /^test\/(engine\/(?!points)|store\/(?!threads))/ },
  { name: "store", code: /^src\/store\//, tests: /^test\/(engine\/(?!points)|store\/(?!threads))/ },
  {
    name: "processes",
    code: /^src\/(memory\/|base\/thread-registry|pool\/given-back)/,
    tests: /^test\/(memory\/(?!cycles)|pool\/|cli\/list|threads\/thread-registry)/,
  },
  { name: "waits", code: /^src\/base\/wait/, tests: /^test\/base\/wait/ },
  { name: "file", code: /^src\/(backing|record)\//, tests: /^test\/backing\/(contract|reopen|file|hostile)/ },
  { name: "slots", code: /^src\/drivers\/slots\//, tests: /^test\/drivers\/slots\// },
  { name: "log", code: /^src\/drivers\/log\//, tests: /^test\/drivers\/log\// },
  { name: "zsmalloc", code: /^src\/drivers\/zsmalloc\//, tests: /^test\/drivers\/zsmalloc\// },
  {
    name: "zbud",
    code: /^src\/drivers\/zbud\//,
    tests: /^test\/(drivers\/zbud\/|zpool\/|memory\/)/,
  },
  {
    name: "all drivers",
    code: /^/,
    tests: /^test\/(?!engine|store|cache|backing|machines|trace\/(damaged|mutated|record))/,
  },
];

const WORDS = readArguments(
  `Usage: npm run test:planted -- [WORD…]

Plants bugs, one at a time, in a copy of the project and shows that the tests notice each. With words, only
those of the parts that are called so, and those whose name has one of them.

Parts: ${PARTS.map(({ name }) => name).join(", ")}`,
  true,
);

const WORKERS = 2;
/** A run that takes so many times longer than without a bug, and so long, hangs: one way to notice a bug. */
const HANG_FACTOR = 5;
const HANG_MS_MIN = 20_000;
/** Fewer random operations than in CI: a planted bug shows early. Nobody reads the shortened histories. */
const QUICK = {
  ZBUD_PROPERTY_OPERATIONS: "15000",
  ZBUD_HISTORY_OPERATIONS: "60000",
  ZBUD_FAST_CHECK_RUNS: "60",
  ZBUD_SHORTEN_RUNS: "0",
};

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

/** Runs a file of tests, in one process, until the first fails. One that hangs is ended with that process. */
function runTests(folder: string, file: string, msMax: number): Promise<RunResult> {
  const started = performance.now();
  const args = [
    QUIET_FLAG,
    "--expose-gc",
    "--test",
    ISOLATION,
    "--test-reporter=./test/planted/reporter.ts",
    file,
  ];
  // A test that runs this script must not pass on that it is a test.
  const env = { ...process.env, ...QUICK, NODE_TEST_CONTEXT: undefined };
  const { promise, resolve } = Promise.withResolvers<RunResult>();
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  let hangs = false;
  child.stdout.on("data", (bytes: Buffer) => {
    output += bytes;
    if (failedIn(output).length > 0) child.kill("SIGKILL");
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

/** A file of tests, by how it did so far. */
interface TestFile {
  readonly path: string;
  /** How long it takes without a bug. */
  readonly ms: number;
  /** By part: bugs that it was tried for, and noticed. */
  readonly tried: Map<Part, number>;
  readonly noticed: Map<Part, number>;
}

/** How much is to be had of a file for its time. One that was not tried yet is taken for good. */
function worthOf({ ms, tried, noticed }: TestFile, part: Part): number {
  return ((noticed.get(part) ?? 0) + 1) / ((tried.get(part) ?? 0) + 2) / ms;
}

function add(counts: Map<Part, number>, part: Part): void {
  counts.set(part, (counts.get(part) ?? 0) + 1);
}

/** Plants one bug in `folder`, runs tests until one fails, and takes it out again. Null: it no longer applies. */
async function tryBug(
  folder: string,
  bug: PlantedBug,
  files: readonly TestFile[],
): Promise<(RunResult & { path: string }) | null> {
  const path = join(folder, bug.file);
  const text = readFileSync(path, "utf8");
  const parts = text.split(bug.find);
  if (parts.length !== 2) return null;
  writeFileSync(path, parts.join(bug.replace));
  const part = partOf(bug);
  const started = performance.now();
  try {
    for (const file of files.toSorted((a, b) => worthOf(b, part) - worthOf(a, part))) {
      const msMax = Math.max(file.ms * HANG_FACTOR, HANG_MS_MIN);
      const result = await runTests(folder, file.path, msMax);
      add(file.tried, part);
      if (result.ok) continue;
      add(file.noticed, part);
      return { ...result, ms: performance.now() - started, path: file.path };
    }
    return { ms: performance.now() - started, hangs: false, ok: true, failed: [], output: "", path: "" };
  } finally {
    writeFileSync(path, text);
  }
}

/** What became of a bug, for the table. */
function verdictOf(
  bug: PlantedBug,
  result: (RunResult & { path: string }) | null,
): { noticed: boolean; line: string } {
  const missed = (why: string): { noticed: boolean; line: string } => ({
    noticed: false,
    line: `✖ ${bug.name}\n    ${why}`,
  });
  if (result === null) return missed(`does not apply: its text must be in ${bug.file} exactly once`);
  if (result.ok) return missed("SURVIVED");
  const { failed, hangs, path } = result;
  if (failed.some((name) => name.endsWith(".test.ts")) || (failed.length === 0 && !hangs)) {
    return missed(`is no bug but broken code:\n${result.output}`);
  }
  const shown = hangs ? "the run hangs" : failed[0];
  return {
    noticed: true,
    line: `✔ ${bug.name} (${secondsOf(result.ms)})\n    ${path}: ${shown}`,
  };
}

function partOf({ name, file }: PlantedBug): Part {
  const named = PARTS.find((part) => name.startsWith(`${part.name}: `));
  return named ?? (PARTS.find(({ code }) => code.test(file)) as Part);
}

function secondsOf(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Does work for each of a list, in each folder one at a time. */
async function inFolders<T>(
  folders: readonly string[],
  list: readonly T[],
  work: (one: T, folder: string) => Promise<void>,
): Promise<void> {
  const queue = [...list];
  const workers = folders.map(async (folder) => {
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) await work(one, folder);
  });
  await Promise.all(workers);
}

/** Runs files without a bug. Null: one fails, as was printed. */
async function measured(folders: readonly string[], paths: readonly string[]): Promise<TestFile[] | null> {
  const files: TestFile[] = [];
  let fails = false;
  await inFolders(folders, paths, async (path, folder) => {
    const clean = await runTests(folder, path, 600_000);
    files.push({ path, ms: clean.ms, tried: new Map(), noticed: new Map() });
    if (clean.ok) return;
    fails = true;
    console.error(
      `${clean.output}\n${path} fails without any planted bug; mend that first: npm run test:unit`,
    );
  });
  return fails ? null : files;
}

async function main(): Promise<void> {
  const started = performance.now();
  const bugs = PLANTED_BUGS.filter((bug) => {
    return WORDS.length === 0 || WORDS.some((word) => partOf(bug).name === word || bug.name.includes(word));
  });
  const folders = Array.from({ length: WORKERS }, copyProject);
  process.once("exit", () => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  process.once("SIGINT", () => process.exit(130));
  const parts = [...new Set(bugs.map(partOf))];
  const paths = FOLDERS.flatMap((folder) => filesUnder(folder, ".test.ts")).filter((path) => {
    return !LEFT_OUT.test(path) && parts.some(({ tests }) => tests.test(path));
  });
  const files = await measured(folders, paths);
  if (files === null) {
    process.exitCode = 1;
    return;
  }
  console.log(`✔ no bug: ${paths.length} files of tests (${secondsOf(performance.now() - started)})`);

  let missed = 0;
  const times = new Map<Part, { bugs: number; ms: number }>();
  await inFolders(folders, bugs, async (bug, folder) => {
    const part = partOf(bug);
    const result = await tryBug(
      folder,
      bug,
      files.filter(({ path }) => part.tests.test(path)),
    );
    const { noticed, line } = verdictOf(bug, result);
    if (!noticed) missed++;
    const time = times.get(part) ?? { bugs: 0, ms: 0 };
    times.set(part, { bugs: time.bugs + 1, ms: time.ms + (result?.ms ?? 0) });
    console.log(line);
  });
  console.log("");
  for (const [{ name }, time] of times) console.log(`${name}: ${time.bugs} bugs (${secondsOf(time.ms)})`);
  const total = secondsOf(performance.now() - started);
  console.log(`${bugs.length - missed} of ${bugs.length} planted bugs were noticed (${total})`);
  if (missed > 0) process.exitCode = 1;
}

await main();
