import { Command } from "commander";
import { hideFfiWarning } from "./ffi-warning.ts";
import { styleFor } from "./style.ts";

const EXAMPLES = `
Examples:
  zbud stats app              what stats() of the cache, store or pool says
  zbud stats /mnt/cache
  zbud stats app --json

It joins as one more thread for the time of one call. Nothing is counted or
changed by that, and nobody is kept waiting, but for a pool: its pages are
walked under its lock, about 10 ns a page.`;

/** `zbud stats`. */
export function statsCommand(): Command {
  return new Command("stats")
    .description("Print all counters of a cache, store or pool that processes share under a name.")
    .argument("<name>", "its name, or the path of its file")
    .option("--json", "print them as JSON")
    .addHelpText("after", EXAMPLES)
    .action(runStats);
}

async function runStats(name: string, { json }: { json?: true }): Promise<void> {
  hideFfiWarning();
  const { openMemory } = await import("./shared-memory.ts");
  const opened = openMemory(name);
  try {
    const info = opened.info();
    // What this process lacks is no matter of the memory.
    const { fallbacks: _, ...stats } = opened.thing.stats() as object & { fallbacks?: unknown };
    if (json) {
      process.stdout.write(`${JSON.stringify({ ...info, stats }, null, 2)}\n`);
      return;
    }
    const { statsLines } = await import("./stats-text.ts");
    process.stdout.write(`${statsLines(info, stats, Date.now(), styleFor(process.stdout)).join("\n")}\n`);
  } finally {
    opened.close();
  }
}
