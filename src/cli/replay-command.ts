import { Command } from "commander";
import type { Mismatch } from "../trace/index.ts";
import { DifferenceError, UsageError } from "./failure.ts";
import type { Interruption } from "./interruption.ts";
import { printable } from "./printable.ts";
import { createProgress } from "./progress-bar.ts";
import { inTurns, naming, parsedTrace, shortName } from "./read-trace.ts";
import { type Style, styleFor } from "./style.ts";

const EXAMPLES = `
Examples:
  zbud replay workload.jsonl
  zbud replay traces/*.jsonl
  zcat workload.jsonl.gz | zbud replay -`;

/** Mismatches of one file that are looked for, and shown; once results differ, most that follow do. */
const MISMATCHES_MAX = 100;
const SHOWN_MAX = 5;

/** `zbud replay`. */
export function replayCommand(interruption: Interruption): Command {
  return new Command("replay")
    .description(
      "Do the operations of recorded traces again, and compare every result with the recorded one.",
    )
    .argument("<file...>", "traces (JSON Lines) that record() of zbud/trace wrote, or - for standard input")
    .addHelpText("after", EXAMPLES)
    .action((files: string[]) => runReplay(files, interruption.signal));
}

async function runReplay(files: string[], signal: AbortSignal): Promise<void> {
  if (files.filter((file) => file === "-" || file === "/dev/stdin").length > 1) {
    throw new UsageError("standard input can be replayed once: name it once");
  }
  const [{ replaySteps }, { countText }] = await Promise.all([
    import("../trace/index.ts"),
    import("../estimate/index.ts"),
  ]);
  const style = styleFor(process.stdout);
  const names = files.map((file) => (file === "-" ? "standard input" : printable(file)));
  const width = Math.max(...names.map((name) => name.length));
  const progress = await createProgress(true);
  let filesWithMismatches = 0;
  for (const [i, file] of files.entries()) {
    const { operations, mismatches } = await naming(names[i], async () => {
      try {
        const trace = await parsedTrace(file, signal, progress);
        const { length } = trace.operations;
        return await inTurns(replaySteps(trace, { maxMismatches: MISMATCHES_MAX }), signal, (done) =>
          progress.at(done / length, `replaying ${shortName(file)}`),
        );
      } finally {
        progress.stop();
      }
    });
    const ending = mismatches.length < MISMATCHES_MAX ? "" : ", stopped there";
    const counts = `${countText(operations)} operations, ${countText(mismatches.length)} mismatches${ending}`;
    process.stdout.write(
      `${names[i].padEnd(width)}  ${mismatches.length === 0 ? counts : style.bad(counts)}\n`,
    );
    if (mismatches.length > 0) filesWithMismatches += 1;
    process.stdout.write(mismatchText(mismatches, style));
  }
  if (filesWithMismatches > 0) {
    throw new DifferenceError(
      `${filesWithMismatches} of ${files.length} traces came out otherwise than recorded`,
    );
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
  return value === undefined ? "nothing" : printable(JSON.stringify(value));
}
