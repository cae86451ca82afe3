import { Command, Option } from "commander";
import { UsageError } from "./failure.ts";
import type { Interruption } from "./interruption.ts";
import { parseInteger } from "./sizes.ts";
import { styleFor } from "./style.ts";

const EXAMPLES = `
Examples:
  zbud top 4711                       the viewer at this port of this machine
  zbud top http://127.0.0.1:4711/
  zbud top 4711 --count 1             once, as text: for a log

The program opts in: viewer(pool).listen({ port: 4711 }) of zbud/viewer.`;

const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";
const CLEAR = "\x1b[2J";

interface TopFlags {
  every: number;
  count?: number;
}

/** `zbud top`. */
export function topCommand(interruption: Interruption): Command {
  return new Command("top")
    .description("Show the live counters of a program that has a viewer, as a table that refreshes.")
    .argument("<address>", "port or URL of its viewer")
    .addOption(
      new Option("--every <ms>", "milliseconds between two looks")
        .default(1000)
        .argParser((text) => parseInteger(text, "--every", 100, 3_600_000)),
    )
    .addOption(
      new Option("--count <number>", "ends after so many looks (default: at Ctrl-C)").argParser((text) =>
        parseInteger(text, "--count", 1, 2 ** 31),
      ),
    )
    .addHelpText("after", EXAMPLES)
    .action((address: string, flags: TopFlags) => runTop(address, flags, interruption.signal));
}

async function runTop(address: string, { every, count }: TopFlags, signal: AbortSignal): Promise<void> {
  const [{ fetchStats, viewerAddress }, { counterLines }] = await Promise.all([
    import("./viewer-client.ts"),
    import("./counter-lines.ts"),
  ]);
  const url = viewerAddress(address);
  if (url === null)
    throw new UsageError(`name a port or an address such as http://127.0.0.1:4711/, not ${address}`);
  const { stdout } = process;
  const style = styleFor(stdout);
  let before: Awaited<ReturnType<typeof fetchStats>>["tick"] | null = null;
  for (let look = 1; ; look++) {
    const { hello, tick } = await fetchStats(url, signal);
    const lines = counterLines(hello.title, url.origin, tick, before, style);
    if (stdout.isTTY && count !== 1) {
      // Written over, not cleared first: nothing flickers.
      const text = lines.map((line) => `${line}${CLEAR_LINE}\n`).join("");
      stdout.write(`${look === 1 ? CLEAR : ""}${HOME}${text}${CLEAR_BELOW}`);
    } else {
      stdout.write(`${look > 1 ? "\n" : ""}${lines.join("\n")}\n`);
    }
    before = tick;
    if (look === count) return;
    await pause(every, signal);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { setTimeout: sleep } = await import("node:timers/promises");
  await sleep(ms, undefined, { signal });
}
