import { readFileSync } from "node:fs";
import { Command } from "commander";
import { ZbudError } from "../base/index.ts";
import type { Mismatch } from "../trace/index.ts";
import { DifferenceError } from "./failure.ts";
import type { Interruption } from "./interruption.ts";
import { type Style, styleFor } from "./style.ts";

const EXAMPLES = `
Examples:
  zbud replay workload.jsonl
  zbud replay traces/*.jsonl`;

/** Mismatches of one file that are looked for, and shown; once results differ, most that follow do. */
const MISMATCHES_MAX = 100;
const SHOWN_MAX = 5;

/** `zbud replay`. */
export function replayCommand(interruption: Interruption): Command {
  return new Command("replay")
    .description(
      "Do the operations of recorded traces again, and compare every result with the recorded one.",
    )
    .argument("<file...>", "traces in the form zbud/1: JSON Lines")
    .addHelpText("after", EXAMPLES)
    .action((files: string[]) => runReplay(files, interruption.signal));
}

async function runReplay(files: string[], signal: AbortSignal): Promise<void> {
  const [{ parseTrace, replay }, { countText }] = await Promise.all([
    import("../trace/index.ts"),
    import("../estimate/index.ts"),
  ]);
  const style = styleFor(process.stdout);
  const width = Math.max(...files.map((file) => file.length));
  let filesWithMismatches = 0;
  for (const file of files) {
    // Between two files Ctrl-C gets its turn.
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    const { operations, mismatches } = naming(file, () =>
      replay(parseTrace(readTrace(file)), { mismatchesMax: MISMATCHES_MAX }),
    );
    const ending = mismatches.length < MISMATCHES_MAX ? "" : ", stopped there";
    const counts = `${countText(operations)} operations, ${countText(mismatches.length)} mismatches${ending}`;
    process.stdout.write(`${file.padEnd(width)}  ${mismatches.length === 0 ? counts : style.bad(counts)}\n`);
    if (mismatches.length > 0) filesWithMismatches += 1;
    process.stdout.write(mismatchText(mismatches, style));
  }
  if (filesWithMismatches > 0) {
    throw new DifferenceError(
      `${filesWithMismatches} of ${files.length} traces came out otherwise than recorded`,
    );
  }
}

function readTrace(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
    throw new ZbudError("ENOENT", `${why}; name a trace`, { cause: error });
  }
}

/** Puts the file's name in front of what is wrong with it. */
function naming<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ZbudError)) throw error;
    throw new ZbudError(error.code, `${file}: ${error.message.replace(/ \([A-Z]+\)$/, "")}`, {
      cause: error,
    });
  }
}

function mismatchText(mismatches: readonly Mismatch[], style: Style): string {
  const lines = mismatches.slice(0, SHOWN_MAX).map(({ line, what, expected, actual }) => {
    return `  line ${line}: ${what} is ${shown(actual)}, recorded was ${shown(expected)}\n`;
  });
  const more = mismatches.length - lines.length;
  if (more > 0) lines.push(style.dim(`  and ${more} more\n`));
  return lines.join("");
}

function shown(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}
