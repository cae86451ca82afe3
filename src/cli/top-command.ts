import { setTimeout as sleep } from "node:timers/promises";
import { Command, Option } from "commander";
import type { Tick } from "../viewer/index.ts";
import type { Interruption } from "./interruption.ts";
import { parseInteger } from "./sizes.ts";
import { styleFor } from "./style.ts";

const EXAMPLES = `
Examples:
  zbud top 4711                       the viewer at this port of this machine
  zbud top http://127.0.0.1:4711/
  zbud top app                        what processes share under this name
  zbud top /mnt/cache                 and by the path of its file
  zbud top app --once                 once, as text: for a log or a pipe

It begins with whether all is well, how full it is, what it saves and what it
does. Arrow keys, PgUp and PgDn scroll the counters, space pauses, q ends it.

A program with a viewer opts in: viewer(pool).listen({ port: 4711 }) of
zbud/viewer. What processes share under a name is joined as one more thread;
nothing is counted or changed by that.`;

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
  const source = await topSource(what);
  try {
    if (stdout.isTTY && looks !== 1) {
      const { TopScreen } = await import("./top-screen.ts");
      await new TopScreen(source, every, signal).run(looks);
      return;
    }
    const style = styleFor(stdout);
    let before: Tick | null = null;
    for (let look = 1; ; look++) {
      const found = await source.look(signal);
      stdout.write(`${look > 1 ? "\n" : ""}${counterLines(found, before, style).join("\n")}\n`);
      before = found.tick;
      if (look === looks) return;
      await sleep(Math.max(every, found.restMs), undefined, { signal });
    }
  } finally {
    source.close();
  }
}
