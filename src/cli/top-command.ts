import { Command, Option } from "commander";
import type { Tick } from "../viewer/index.ts";
import type { Interruption } from "./interruption.ts";
import { QuitKey } from "./quit-key.ts";
import { parseInteger } from "./sizes.ts";
import { styleFor } from "./style.ts";

const EXAMPLES = `
Examples:
  zbud top 4711                       the viewer at this port of this machine
  zbud top http://127.0.0.1:4711/
  zbud top app                        what processes share under this name
  zbud top /mnt/cache                 and by the path of its file
  zbud top app --once                 once, as text: for a log or a pipe

q ends it. A program with a viewer opts in: viewer(pool).listen({ port: 4711 })
of zbud/viewer. What processes share under a name is joined as one more thread;
nothing is counted or changed by that.`;

const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";
const CLEAR = "\x1b[2J";

interface TopFlags {
  every: number;
  count?: number;
  once?: true;
}

/** `zbud top`. */
export function topCommand(interruption: Interruption): Command {
  return new Command("top")
    .description(
      "Show live counters as a table that refreshes: of a program that has a viewer, or of memory that processes share.",
    )
    .argument("<address-or-name>", "port or URL of a viewer, or a name that zbud list shows")
    .addOption(
      new Option("--every <ms>", "milliseconds between two looks")
        .default(1000)
        .argParser((text) => parseInteger(text, "--every", 100, 3_600_000)),
    )
    .addOption(
      new Option("--count <number>", "ends after so many looks (default: at q or Ctrl-C)").argParser((text) =>
        parseInteger(text, "--count", 1, 2 ** 31),
      ),
    )
    .addOption(new Option("--once", "one look: as --count 1").conflicts("count"))
    .addHelpText("after", EXAMPLES)
    .action((what: string, flags: TopFlags) => runTop(what, flags, interruption.signal));
}

async function runTop(what: string, { every, count, once }: TopFlags, signal: AbortSignal): Promise<void> {
  const [{ topSource }, { counterLines }] = await Promise.all([
    import("./top-source.ts"),
    import("./counter-lines.ts"),
  ]);
  const looks = once ? 1 : count;
  const { stdout } = process;
  const isScreen = stdout.isTTY && looks !== 1;
  const style = styleFor(stdout);
  const source = await topSource(what);
  const quit = new QuitKey(isScreen);
  const ends = AbortSignal.any([signal, quit.signal]);
  try {
    let before: Tick | null = null;
    for (let look = 1; ; look++) {
      const found = await source.look(ends);
      if (isScreen) {
        // A terminal that does not know its size has none.
        const size = { rows: (stdout.rows || 24) - 1, columns: stdout.columns || 80 };
        const lines = counterLines(found, before, style, size);
        // Written over, not cleared first: nothing flickers.
        const text = lines.map((line) => `${line}${CLEAR_LINE}\n`).join("");
        stdout.write(`${look === 1 ? CLEAR : ""}${HOME}${text}${CLEAR_BELOW}`);
      } else {
        stdout.write(`${look > 1 ? "\n" : ""}${counterLines(found, before, style).join("\n")}\n`);
      }
      before = found.tick;
      if (look === looks) return;
      await pause(Math.max(every, found.restMs), ends);
    }
  } catch (error) {
    if (!quit.signal.aborted || signal.aborted) throw error;
  } finally {
    quit.dispose();
    source.close();
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { setTimeout: sleep } = await import("node:timers/promises");
  await sleep(ms, undefined, { signal });
}
