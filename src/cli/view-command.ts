import { Command, Option } from "commander";
import type { Interruption } from "./interruption.ts";
import { printable } from "./printable.ts";
import { readTraceFile } from "./read-trace.ts";
import { parseInteger } from "./sizes.ts";
import { styleFor } from "./style.ts";

const EXAMPLES = `
Examples:
  zbud view workload.jsonl              play it, at the address that is printed
  zbud view workload.jsonl --port 4711  at this port
  zbud view workload.jsonl --speed 10   ten operations a second from the start

A program shows its own pools with viewer(pool).listen() of zbud/viewer.`;

interface ViewFlags {
  port: number;
  host: string;
  speed: number;
}

/** `zbud view`. */
export function viewCommand(interruption: Interruption): Command {
  return new Command("view")
    .description("Play a recorded trace on a page in the browser: pages, lists, LRU, reclaim, counters.")
    .argument("<file>", "a trace (JSON Lines) that record() of zbud/trace wrote, or - for standard input")
    .addOption(
      new Option("--port <number>", "where to listen; 0: any that is free")
        .default(0)
        .argParser((text) => parseInteger(text, "--port", 0, 65_535)),
    )
    .option(
      "--host <address>",
      "address to listen on; with any but loopback, other machines can see the page",
      "127.0.0.1",
    )
    .addOption(
      new Option("--speed <number>", "operations a second at first")
        .default(100)
        .argParser((text) => parseInteger(text, "--speed", 1, 10_000_000)),
    )
    .addHelpText("after", EXAMPLES)
    .action((file: string, flags: ViewFlags) => runView(file, flags, interruption.signal));
}

async function runView(file: string, { port, host, speed }: ViewFlags, signal: AbortSignal): Promise<void> {
  const { TracePlayer, viewer } = await import("../viewer/index.ts");
  const player = new TracePlayer(await readTraceFile(file, signal));
  const shown = viewer(player, { title: file === "-" ? "trace" : file });
  try {
    player.control({ do: "speed", value: speed });
    const { url } = await shown.listen({ port, host });
    const { title, dim } = styleFor(process.stdout);
    process.stdout.write(`${title(url)}\n${dim(`${printable(file)} is played there; Ctrl-C ends it`)}\n`);
    // The server lets the process end; this does not.
    await new Promise<void>((_resolve, reject) => {
      const stay = setInterval(() => {}, 2 ** 30);
      signal.addEventListener("abort", () => {
        clearInterval(stay);
        reject(signal.reason);
      });
    });
  } finally {
    player.close();
    await shown.close();
  }
}
