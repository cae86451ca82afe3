import { Command, Option } from "commander";
import type { Frame, TracePlayer } from "../viewer/index.ts";
import type { Interruption } from "./interruption.ts";
import { parseInteger } from "./sizes.ts";
import { styleFor } from "./style.ts";

const EXAMPLES = `
Examples:
  zbud map 4711                     the pool behind the viewer at this port
  zbud map http://127.0.0.1:4711/
  zbud map workload.jsonl           a trace's pool, at its end
  zbud map workload.jsonl --at 500  after 500 of its operations

Each page is a row of characters: its bytes from left to right, dark where
objects lie, one shade for each of two neighbours.`;

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
  const [{ mapLines }, { fetchFrame, viewerAddress }] = await Promise.all([
    import("./map-text.ts"),
    import("./viewer-client.ts"),
  ]);
  const url = viewerAddress(what);
  const frame = url === null ? await frameOfTrace(what, at, signal) : await fetchFrame(url, signal);
  const columns = process.stdout.columns ?? 100;
  for (const line of mapLines(frame, pages, columns, styleFor(process.stdout)))
    process.stdout.write(`${line}\n`);
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
