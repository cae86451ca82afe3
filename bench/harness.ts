import { spawnSync } from "node:child_process";
import { availableParallelism, cpus } from "node:os";
import { basename, join } from "node:path";
import { temporaryFolder } from "../scripts/tools.ts";
import { Prng } from "../src/base/index.ts";

/** One comparison of ours with one peer. All suites print this form; `--json` prints exactly these fields. */
export interface Row {
  /** The suite: `allocator`, `codec`, … */
  suite: string;
  /** What was done, on what: `free + alloc, 100,000 live`. */
  case: string;
  /** Our figure, in `unit`. */
  ours: number;
  /** Whom ours is compared with: `C`, `@thi.ng/malloc`, … */
  peer: string;
  /** The peer's figure, in `unit`, from the same run. */
  theirs: number;
  /** What the figures count: `ns/op`, `MB/s`, … */
  unit: string;
  /** `ours / theirs`. For times below 1 is better than the peer, for rates above 1. */
  ratio: number;
}

/** A {@link Row} with what only the table shows. */
export interface TimedRow extends Row {
  /** Medians of the rounds, where `ours` and `theirs` are their minima. */
  median: { ours: number; theirs: number };
}

/** What `npm run bench` hands to a suite. */
export interface BenchOptions {
  /** Seed of everything random. The same seed does the same work. */
  seed: number;
  /** Sizes for a test instead of for a measurement: the whole suite in a few seconds. */
  quick: boolean;
  /** Says what is going on, or why a peer is left out. Not a result. */
  log(line: string): void;
}

/** What a file in this folder exports to be a suite. */
export interface Suite {
  run(options: BenchOptions): Promise<Row[]>;
}

/** A checksum of the work done, or that and a time that the contender took itself. */
export type RoundResult = number | string | { checksum: number | string; ns: number };

/** One way to do the work. */
export interface Contender {
  name: string;
  /** Untimed, before every round: make the state that `round` starts from. */
  prepare?(): void;
  /**
   * Timed, unless it returns a time. Every round of every contender must do the same work and so return the
   * same checksum.
   */
  round(): RoundResult;
}

/** How one contender did. Times are for one operation, in nanoseconds. */
export interface Timing {
  name: string;
  nsMin: number;
  nsMedian: number;
  rounds: number[];
  checksum: string;
}

export interface RaceOptions {
  /** Operations in one round: what the times are divided by. */
  operations: number;
  /** Timed rounds of each contender. Default 7. */
  rounds?: number;
  /** Untimed rounds of each contender before them. Default 2. */
  warmups?: number;
  /** Seed of the order in which the contenders take turns. */
  seed: number;
}

/**
 * Lets contenders do the same work in turns, in a new order each round, so that a slow second of the machine
 * hits all of them.
 *
 * @returns one timing a contender, in their order.
 * @throws {Error} if two checksums differ: then they did not do the same work, and no figure means anything.
 */
export function race(contenders: readonly Contender[], options: RaceOptions): Timing[] {
  const { operations, rounds = 7, warmups = 2, seed } = options;
  const prng = new Prng(seed);
  const times: number[][] = contenders.map(() => []);
  let agreed: { checksum: string; name: string } | undefined;
  for (let round = -warmups; round < rounds; round++) {
    for (const index of shuffled(contenders.length, prng)) {
      const contender = contenders[index];
      contender.prepare?.();
      const start = process.hrtime.bigint();
      const result = contender.round();
      const elapsed = Number(process.hrtime.bigint() - start);
      const own = typeof result === "object";
      const checksum = String(own ? result.checksum : result);
      agreed ??= { checksum, name: contender.name };
      if (checksum !== agreed.checksum) {
        throw new Error(
          `${contender.name} has checksum ${checksum}, ${agreed.name} has ${agreed.checksum} (seed ${seed})`,
        );
      }
      if (round >= 0) times[index].push((own ? result.ns : elapsed) / operations);
    }
  }
  return contenders.map(({ name }, index) => {
    const sorted = times[index].toSorted((a, b) => a - b);
    return {
      name,
      nsMin: sorted[0],
      nsMedian: median(sorted),
      rounds: times[index],
      checksum: agreed?.checksum ?? "",
    };
  });
}

/** One row for each peer, in nanoseconds an operation. The first timing is ours. */
export function timeRows(suite: string, name: string, timings: readonly Timing[]): TimedRow[] {
  return rows(suite, name, timings, "ns/op", (ns) => ns);
}

/** One row for each peer, in MB (10^6 bytes) a second, for operations over `bytes` bytes. The first is ours. */
export function rateRows(suite: string, name: string, timings: readonly Timing[], bytes: number): TimedRow[] {
  return rows(suite, name, timings, "MB/s", (ns) => (bytes / ns) * 1e3);
}

function rows(
  suite: string,
  name: string,
  [ours, ...peers]: readonly Timing[],
  unit: string,
  figure: (ns: number) => number,
): TimedRow[] {
  return peers.map((peer) => {
    const own = figure(ours.nsMin);
    const theirs = figure(peer.nsMin);
    const medians = { ours: figure(ours.nsMedian), theirs: figure(peer.nsMedian) };
    return {
      suite,
      case: name,
      ours: own,
      peer: peer.name,
      theirs,
      unit,
      ratio: own / theirs,
      median: medians,
    };
  });
}

/** Middle of a sorted array; the mean of the two middle ones if their number is even. */
export function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function shuffled(count: number, prng: Prng): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let i = count - 1; i > 0; i--) {
    const j = prng.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/**
 * Bytes by which the V8 heap grew while `work` ran, with no collection inside it if the young generation was
 * large enough. Needs `--expose-gc`, as `npm run bench` and the tests have it.
 *
 * @returns `null` without `--expose-gc`.
 */
export function heapDelta(work: () => void): number | null {
  const collect = globalThis.gc;
  if (collect === undefined) return null;
  collect();
  const before = process.memoryUsage().heapUsed;
  work();
  return process.memoryUsage().heapUsed - before;
}

/**
 * Compiles a C program of this folder with the system's compiler, `-O2`.
 *
 * @param source - absolute path of the .c file.
 * @param flags - more arguments for the compiler, after the source: `-llz4`.
 * @returns the program's path, in a folder that is removed when this process exits; or null, after a message
 *   that says why, if there is no compiler or it refused (a library is missing).
 */
export function compileC(
  source: string,
  flags: readonly string[],
  log: (line: string) => void,
): string | null {
  const folder = temporaryFolder("bench");
  const program = join(folder, basename(source, ".c"));
  const compiler = process.env.CC ?? "cc";
  const result = spawnSync(compiler, ["-O2", "-o", program, source, ...flags], { encoding: "utf8" });
  if (result.error !== undefined) {
    log(
      `no C compiler: "${compiler}" does not start. Without it there is no comparison with C; install gcc.`,
    );
    return null;
  }
  if (result.status !== 0) {
    const why = result.stderr.split("\n").find((line) => /error|cannot find/.test(line)) ?? result.stderr;
    log(`${basename(source)} does not compile, so there is no comparison with it: ${why.trim()}`);
    return null;
  }
  return program;
}

/**
 * Runs a compiled program that prints one line: checksum, then nanoseconds.
 *
 * @throws {Error} with what the program printed, if it failed or printed something else.
 */
export function runC(program: string, args: readonly (string | number)[]): { checksum: string; ns: number } {
  const result = spawnSync(program, args.map(String), { encoding: "utf8" });
  const match = /^(\S+) (\d+(?:\.\d+)?)\s*$/.exec(result.stdout ?? "");
  if (result.status !== 0 || match === null) {
    throw new Error(
      `${basename(program)} ${args.join(" ")} ended with ${result.status ?? result.signal}, not with ` +
        `"CHECKSUM NANOSECONDS": ${result.stdout}${result.stderr}`,
    );
  }
  return { checksum: match[1], ns: Number(match[2]) };
}

/** The machine in one line, for the top of a result: a figure without it is not one. */
export function machine(seed: number): string {
  const model = cpus()[0]?.model.trim() || process.arch;
  return `${model}, ${availableParallelism()} cores, ${process.platform}, Node ${process.versions.node}, seed ${seed}`;
}

/** Exactly the seven fields of a row, on one line. */
export function rowJson(row: Row): string {
  const { suite, case: name, ours, peer, theirs, unit, ratio } = row;
  return JSON.stringify({ suite, case: name, ours, peer, theirs, unit, ratio });
}

/** An aligned table with a line for each row: minima, medians in brackets, and the ratio of the minima. */
export function formatTable(rows: readonly (Row | TimedRow)[]): string {
  const header = ["suite", "case", "ours", "peer", "theirs", "unit", "ratio"];
  const cells = rows.map((row) => {
    const medians = "median" in row ? row.median : null;
    return [
      row.suite,
      row.case,
      figure(row.ours) + (medians ? ` (${figure(medians.ours)})` : ""),
      row.peer,
      figure(row.theirs) + (medians ? ` (${figure(medians.theirs)})` : ""),
      row.unit,
      row.ratio.toFixed(2),
    ];
  });
  const all = [header, ...cells];
  const widths = header.map((_, column) => Math.max(...all.map((line) => line[column].length)));
  const right = new Set([2, 4, 6]);
  return all
    .map((line) =>
      line
        .map((cell, i) => (right.has(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
