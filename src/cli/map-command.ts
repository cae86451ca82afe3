import { Command, Option } from "commander";
import type { Frame, TracePlayer } from "../viewer/index.ts";
import type { Interruption } from "./interruption.ts";
import type { ScrollText } from "./scroll-screen.ts";
import { parseInteger } from "./sizes.ts";
import { type Style, styleFor } from "./style.ts";

const EXAMPLES = `
Examples:
  zbud map 4711                     the pool behind the viewer at this port
  zbud map http://127.0.0.1:4711/
  zbud map workload.jsonl           a trace's pool, at its end
  zbud map workload.jsonl --at 500  after 500 of its operations

Each page is a row of characters: its bytes from left to right, dark where
objects lie, one shade for each of two neighbours. On a terminal that they do
not fit, arrow keys, PgUp and PgDn scroll them, and q ends it.`;

interface MapFlags {
  at?: number;
  pages: number;
}

/** `zbud map`. */
export function mapCommand(interruption: Interruption): Command {
  return new Command("map")
    .description("Show one snapshot of a pool as text: of a program that has a viewer, or of a trace.")
    .argument("<address-or-file>", "port or URL of a viewer, or a trace")
    .addOption(
      new Option("--at <number>", "how many operations of the trace to do (default: all)").argParser((text) =>
        parseInteger(text, "--at", 0, 2 ** 31),
      ),
    )
    .addOption(
      new Option("--pages <number>", "how many pages to show, from the first")
        .default(256)
        .argParser((text) => parseInteger(text, "--pages", 1, 2 ** 24)),
    )
    .addHelpText("after", EXAMPLES)
    .action((what: string, flags: MapFlags) => runMap(what, flags, interruption.signal));
}

async function runMap(what: string, { at, pages }: MapFlags, signal: AbortSignal): Promise<void> {
  const [{ mapText }, { fetchFrame, viewerAddress }] = await Promise.all([
    import("./map-text.ts"),
    import("./viewer-client.ts"),
  ]);
  const url = viewerAddress(what);
  const frame = url === null ? await frameOfTrace(what, at, signal) : await fetchFrame(url, signal);
  const { stdin, stdout } = process;
  const style = styleFor(stdout);
  if (stdout.isTTY && stdin.isTTY) {
    await scrollMap((columns) => mapText(frame, pages, columns, style), style, signal);
    return;
  }
  const { head, body } = mapText(frame, pages, stdout.columns || 100, style);
  for (const line of [...head, ...body]) stdout.write(`${line}\n`);
}

/** On a terminal that it does not fit, it is scrolled; else it is there, and that is all. */
async function scrollMap(
  text: (columns: number) => ScrollText,
  style: Style,
  signal: AbortSignal,
): Promise<void> {
  const [{ ScrollScreen }, { Keys }] = await Promise.all([
    import("./scroll-screen.ts"),
    import("./key-presses.ts"),
  ]);
  const { stdout } = process;
  const { head, body } = text(stdout.columns || 80);
  if (head.length + body.length < (stdout.rows || 24)) {
    for (const line of [...head, ...body]) stdout.write(`${line}\n`);
    return;
  }
  const ended = Promise.withResolvers<void>();
  const keys = new Keys(true, (key) => (key === "quit" ? ended.resolve() : screen.key(key)));
  const screen = new ScrollScreen(stdout, style, keys.areHeard);
  const draw = (): void => {
    screen.clear();
    screen.show(text(screen.columns), "q ends");
  };
  stdout.on("resize", draw);
  const stop = (): void => ended.reject(signal.reason);
  signal.addEventListener("abort", stop);
  try {
    draw();
    await ended.promise;
  } finally {
    signal.removeEventListener("abort", stop);
    stdout.off("resize", draw);
    keys.dispose();
  }
}

async function frameOfTrace(file: string, at: number | undefined, signal: AbortSignal): Promise<Frame> {
  const [{ inTurns, readTraceFile, shortName }, { createProgress }, viewing] = await Promise.all([
    import("./read-trace.ts"),
    import("./progress-bar.ts"),
    import("../viewer/index.ts"),
  ]);
  const trace = await readTraceFile(file, signal);
  const { TracePlayer } = viewing;
  const player = new TracePlayer(trace);
  const progress = await createProgress(true);
  try {
    const end = Math.min(at ?? trace.operations.length, trace.operations.length);
    const doing = `replaying ${shortName(file)}`;
    await inTurns(playSteps(player, end), signal, (done) => progress.at(done / end, doing));
    return player.snapshotColumns();
  } finally {
    progress.stop();
    player.close();
  }
}

/** Operations between two looks at the time. */
const STEP_OPERATIONS = 256;

/** Plays a trace up to an operation; yields how many it has done. */
function* playSteps(player: TracePlayer, end: number): Generator<number, void> {
  for (let value = 0; value < end; yield value) {
    value = Math.min(value + STEP_OPERATIONS, end);
    player.control({ do: "seek", value });
  }
}
