import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative, sep } from "node:path";
import { parseArgs } from "node:util";

/** The project's folder. */
export const ROOT: string = join(import.meta.dirname, "..");

/** Keeps Node 22 from saying on standard error that it runs TypeScript. */
export const QUIET_FLAG = "--disable-warning=ExperimentalWarning";

/**
 * Reads a script's arguments. `--help` prints the usage and exits with 0; anything that is not expected
 * prints what is wrong and the usage, and exits with 2.
 *
 * @param usage - what `--help` prints.
 * @param positionals - whether the script takes arguments besides the flags.
 */
export function readArguments(usage: string, positionals = false): string[] {
  let parsed: { values: { help?: boolean | undefined }; positionals: string[] };
  try {
    parsed = parseArgs({ allowPositionals: positionals, options: { help: { type: "boolean", short: "h" } } });
  } catch (error) {
    return failUsage((error as Error).message, usage);
  }
  if (parsed.values.help) {
    console.log(usage);
    process.exit(0);
  }
  return parsed.positionals;
}

/**
 * Reads a script's options. `--help` prints the usage and exits with 0; anything that is not expected prints what is
 * wrong and the usage, and exits with 2.
 *
 * @param texts - names of options that take a value.
 * @param flags - names of those that take none.
 */
export function readOptions<Text extends string, Flag extends string = never>(
  usage: string,
  texts: readonly Text[],
  flags: readonly Flag[] = [],
): Partial<Record<Text, string> & Record<Flag, boolean>> {
  const options = {
    ...Object.fromEntries(texts.map((name) => [name, { type: "string" } as const])),
    ...Object.fromEntries(flags.map((name) => [name, { type: "boolean" } as const])),
    help: { type: "boolean", short: "h" } as const,
  };
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    return failUsage((error as Error).message, usage);
  }
  if (values.help === true) {
    console.log(usage);
    process.exit(0);
  }
  return values as Partial<Record<Text, string> & Record<Flag, boolean>>;
}

/**
 * The number that an option was given.
 *
 * @param otherwise - if it was not given.
 * @param low - the least that it may be.
 * @param whole - whether it must be a whole number.
 */
export function numberOption(
  usage: string,
  name: string,
  text: string | undefined,
  otherwise: number,
  low = 1,
  whole = true,
): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if ((whole ? Number.isSafeInteger(value) : Number.isFinite(value)) && value >= low) return value;
  const kind = whole ? "a whole number" : "a number";
  return failUsage(`--${name} takes ${kind} from ${low} on, not ${JSON.stringify(text)}`, usage);
}

/** Says what is wrong with the arguments and how they should be, and exits with 2. */
export function failUsage(what: string, usage: string): never {
  console.error(`${what}\n\n${usage}`);
  process.exit(2);
}

export interface RunOptions {
  cwd?: string;
  /** Environment variables besides those of this process. */
  env?: Record<string, string>;
  /** Collect the output instead of showing it. */
  capture?: boolean;
}

/** How a program ended. `output` is what it printed, if that was collected. */
export interface RunResult {
  ok: boolean;
  output: string;
}

/** Runs a program in the project's folder and waits for it. The programs it starts find this same node. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): RunResult {
  const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ""}`;
  const result = spawnSync(command, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, PATH: path, ...options.env },
    stdio: options.capture ? "pipe" : "inherit",
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (result.error !== undefined) {
    return { ok: false, output: `${command} does not start: ${result.error.message}\n` };
  }
  return { ok: result.status === 0, output: `${result.stdout ?? ""}${result.stderr ?? ""}` };
}

/** Runs a JavaScript or TypeScript file with this node. */
export function runNode(args: readonly string[], options: RunOptions = {}): RunResult {
  return run(process.execPath, [QUIET_FLAG, ...args], options);
}

/** Runs npm, the one that runs this script if there is one. */
export function npm(args: readonly string[], cwd: string, capture = true): RunResult {
  const script = process.env.npm_execpath;
  return script?.endsWith(".js")
    ? runNode([script, ...args], { cwd, capture })
    : run("npm", args, { cwd, capture });
}

/**
 * Installs what a folder with a lock file of its own asks for, unless it was installed from that lock file before.
 *
 * @returns whether it is there now; if not, what npm said was printed.
 */
export function installFolder(folder: string): boolean {
  const path = join(ROOT, folder);
  const lock = readFileSync(join(path, "package-lock.json"), "utf8");
  const stamp = join(path, "node_modules/.installed-from.json");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return true;
  const start = performance.now();
  console.log(`▶ installing what ${folder}/package.json lists`);
  const { ok, output } = npm(["ci", "--no-audit", "--no-fund"], path);
  if (ok) writeFileSync(stamp, lock);
  console.log(`${ok ? "" : output}${ok ? "✔" : "✖"} ${folder} (${secondsSince(start)})`);
  return ok;
}

/** The JavaScript file behind a package's command; `folder` is where it was installed. */
export function bin(packageName: string, command: string, within = "."): string {
  const folder = join(ROOT, within, "node_modules", packageName);
  const { bin: bins } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    bin: string | Record<string, string>;
  };
  return join(folder, typeof bins === "string" ? bins : bins[command]);
}

/** Every file under `folder` whose name ends in `suffix`, as sorted paths relative to the project. */
export function filesUnder(folder: string, suffix: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort();
}

const temporaryFolders: string[] = [];

/** A new folder of the machine's temporary ones; with all that is in it, it goes when the process ends. */
export function temporaryFolder(name: string): string {
  if (temporaryFolders.length === 0) {
    process.once("exit", () => {
      for (const folder of temporaryFolders) rmSync(folder, { recursive: true, force: true });
    });
  }
  const folder = mkdtempSync(join(tmpdir(), `zbud-${name}-`));
  temporaryFolders.push(folder);
  return folder;
}

/** Seconds since `start`, a value of `performance.now()`, for people. */
export function secondsSince(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

/** A part of a script, with a name for people. */
export interface Step {
  name: string;
  run: () => RunResult | Promise<RunResult>;
}

/** The first of the given steps that fails ends the process with its exit code 1, after its name. */
export async function runSteps(steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    const start = performance.now();
    const { ok, output } = await step.run();
    if (!ok) {
      console.error(`${output}✖ ${step.name} (${secondsSince(start)})`);
      process.exit(1);
    }
    console.log(`✔ ${step.name} (${secondsSince(start)})`);
  }
}
