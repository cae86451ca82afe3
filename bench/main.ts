import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { formatTable, machine, type Row, rowJson, type Suite } from "./harness.ts";

/** A suite is the file of its name in this folder. */
const SUITES = [
  "allocator",
  "cache",
  "codec",
  "defaults",
  "density",
  "estimate",
  "guides",
  "improve",
  "machines",
  "policy",
  "processes",
  "store",
  "threads",
  "tier",
  "viewer",
] as const;

const USAGE = `Usage: npm run bench -- [SUITE…] [--json] [--seed N] [--quick]

Suites: ${SUITES.join(", ")}. All of them when none is named.

  --json     one line of JSON for each comparison, on standard output
  --seed N   seed of everything random; default 1
  --quick    small sizes: checks that the benchmark works, the figures mean nothing

Figures are minima, medians in brackets. Every contender's work has the same checksum, or the run fails.`;

class UsageError extends Error {}

function readArguments(args: string[]): { suites: string[]; json: boolean; seed: number; quick: boolean } {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
  const { values, positionals } = parsed;
  const unknown = positionals.find((name) => !(SUITES as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`no suite "${unknown}"; the suites are ${SUITES.join(", ")}`);
  }
  const seed = Number(values.seed);
  if (!/^\d+$/.test(values.seed) || seed > 0xffff_ffff) {
    throw new UsageError(`--seed takes an integer from 0 to ${0xffff_ffff}, not "${values.seed}"`);
  }
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  return { suites: positionals, json: values.json, seed, quick: values.quick };
}

function parse(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      seed: { type: "string", default: "1" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
}

async function main(args: string[]): Promise<void> {
  const { suites, json, seed, quick } = readArguments(args);
  // Standard output has only results, so that --json can be piped.
  const log = (line: string): void => console.error(line);
  log(machine(seed));
  for (const name of suites.length > 0 ? suites : SUITES) {
    const file = new URL(`./${name}.ts`, import.meta.url);
    if (!existsSync(file)) throw new Error(`bench/${name}.ts does not exist`);
    log(`${name} …`);
    const { run } = (await import(file.href)) as Suite;
    const rows: Row[] = await run({ seed, quick, log });
    console.log(json ? rows.map(rowJson).join("\n") : formatTable(rows));
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`bench: ${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
