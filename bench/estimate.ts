/**
 * `zbud estimate` against compressing the same file in the same units with the same codec, and nothing else:
 * whole processes, from their start to their end, both bundled as users get them.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { Prng } from "../src/base/index.ts";
import type { Estimate } from "../src/estimate/index.ts";
import { type BenchOptions, type Contender, race, type TimedRow, type Timing } from "./harness.ts";

const MiB = 1024 * 1024;
const UNIT = 4096;
const CODEC = "lz4";

export async function run({ seed, quick, log }: BenchOptions): Promise<TimedRow[]> {
  const folder = mkdtempSync(join(tmpdir(), "zbud-bench-"));
  try {
    const bytes = (quick ? 8 : 256) * MiB;
    const file = join(folder, "data.bin");
    writeData(file, bytes, seed);
    const command = await bundle("../src/cli/main.ts", join(folder, "zbud.js"));
    const alone = await bundle("./estimate-peer.ts", join(folder, "alone.js"));
    const peers: Contender[] = [
      { name: "read whole, then compressed", round: () => compressAlone(alone, file, "whole") },
      { name: "compressed MiB by MiB", round: () => compressAlone(alone, file, "stream") },
    ];
    const rows: TimedRow[] = [];
    for (const sample of quick ? ["all"] : ["all", "64m"]) {
      log(`estimate of ${bytes / MiB} MiB, --sample ${sample}`);
      const ours: Contender = {
        name: "zbud estimate",
        round: () => estimateFile(command, file, sample, bytes),
      };
      const rounds = quick ? 1 : 7;
      const timings = race([ours, ...peers], { operations: 1, rounds, warmups: quick ? 0 : 1, seed });
      rows.push(...rowsOf(`${bytes / MiB} MiB, ${CODEC}, 4 KiB units, zbud, --sample ${sample}`, timings));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Pieces of the program that runs this, in an order that the seed decides: code, text and tables. */
function writeData(file: string, bytes: number, seed: number): void {
  const source = readFileSync(process.execPath);
  const prng = new Prng(seed);
  const fd = openSync(file, "w");
  for (let left = bytes; left > 0; left -= MiB) {
    writeSync(fd, source, prng.below(source.length - MiB), MiB);
  }
  closeSync(fd);
}

async function bundle(entry: string, output: string): Promise<string> {
  const build = await rolldown({
    input: fileURLToPath(new URL(entry, import.meta.url)),
    platform: "node",
    external: ["zstd-napi"],
    // Drivers register themselves when they are imported.
    treeshake: { moduleSideEffects: () => true },
    logLevel: "silent",
  });
  await build.write({ file: output, format: "esm", codeSplitting: false });
  await build.close();
  return output;
}

/** @returns the bytes that it was to deal with, which all contenders must agree on. */
function estimateFile(command: string, file: string, sample: string, bytes: number): number {
  const args = [command, "estimate", file, "--codec", CODEC, "--driver", "zbud", "--unit", `${UNIT}`];
  const { input, sample: read } = JSON.parse(node([...args, "--sample", sample, "--json"])) as Estimate;
  const whole = sample === "all" ? bytes : Math.min(bytes, 64 * MiB);
  if (read.bytes !== whole) throw new Error(`zbud estimate read ${read.bytes} bytes, not ${whole}`);
  return input.bytes;
}

function compressAlone(program: string, file: string, how: "whole" | "stream"): number {
  return Number(node([program, file, CODEC, `${UNIT}`, how]));
}

function node(args: string[]): string {
  const result = spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 64 * MiB });
  if (result.status !== 0) throw new Error(`${args[0]} ended with ${result.status}: ${result.stderr}`);
  return result.stdout;
}

function rowsOf(name: string, [ours, ...peers]: readonly Timing[]): TimedRow[] {
  return peers.map((peer) => ({
    suite: "estimate",
    case: name,
    ours: ours.nsMin / 1e9,
    peer: peer.name,
    theirs: peer.nsMin / 1e9,
    unit: "s",
    ratio: ours.nsMin / peer.nsMin,
    median: { ours: ours.nsMedian / 1e9, theirs: peer.nsMedian / 1e9 },
  }));
}
