import {
  checkNames,
  integerOption,
  nearestOf,
  parseBytes,
  type Size,
  show,
  ZbudError,
} from "../base/index.ts";
import { codecNames } from "../codecs/index.ts";
import { registerBuiltIns } from "../drivers/index.ts";
import { driverTypes } from "../pool/index.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** Unit sizes that can be asked for: powers of two, up to the largest page of a pool. */
export const UNIT_BYTES_MIN: number = KiB;
export const UNIT_BYTES_MAX: number = MiB;

/**
 * How much input lies in memory at once; a larger sample is stored and checked batch by batch. A batch must have
 * enough units for a pool to pack them as it would pack all, and short batches are quicker: their memory is used
 * again while it is still in the caches.
 */
const BATCH_UNITS = 4096;
const BATCH_BYTES_MIN = 32 * MiB;
const BATCH_BYTES_MAX = 256 * MiB;
/** The most that is kept of a stream, unless all of it is read: it must lie in memory until the stream ends. */
export const STREAM_SAMPLE_MAX: number = BATCH_BYTES_MAX;

/** What stops an estimate. An `AbortSignal` is one; named by what is used of it, it needs no types of a platform. */
export interface StopSignal {
  readonly aborted: boolean;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** What the advice is for: `"size"`, the least memory; `"speed"`; or `"balance"`, where time weighs a little. */
export type Goal = "balance" | "size" | "speed";
export const GOALS: readonly Goal[] = ["speed", "size", "balance"];

/** How to estimate. Everything has a default. */
export interface EstimateOptions {
  /** Names of registered codecs; default `["lz4", "zstd"]`. */
  codecs?: readonly string[];
  /** Names of registered pool drivers; default all of them. */
  drivers?: readonly string[];
  /** Bytes compressed at a time: powers of two from 1 KiB to 1 MiB; default `["4KiB", "16KiB"]`. */
  units?: readonly Size[];
  /** How many bytes to read, about, or `"all"`; default `"64MiB"`. Of a stream at most 256 MiB are kept. */
  sampleBytes?: Size | "all";
  /** Chooses which units are read; default 1. The same seed and input give the same figures. */
  seed?: number;
  /**
   * What the advice is for; default `"balance"`: twice the time to compress and read back must save 7 % of the memory,
   * five times the time 15 %. With `"speed"` twice the time must save 29 %, with `"size"` time counts for nothing.
   */
  for?: Goal;
  /** Stops the work: the promise is then rejected with the signal's reason. */
  signal?: StopSignal;
  /** Called now and then with the share of the work that is done, from 0 to 1, and what is being done. */
  onProgress?: (share: number, doing: string) => void;
  /** Milliseconds; for the time that compressing takes. Default `performance.now`. */
  clock?: () => number;
}

const NAMES = ["codecs", "drivers", "units", "sampleBytes", "seed", "for", "signal", "onProgress", "clock"];

/** The same, checked and complete. */
export interface Settings {
  codecs: readonly string[];
  drivers: readonly string[];
  units: readonly number[];
  maxUnit: number;
  /** Infinity: all. */
  sampleBytes: number;
  /** The most bytes of input in memory at once; a multiple of `maxUnit`. */
  batchBytes: number;
  seed: number;
  goal: Goal;
  signal: StopSignal | null;
  onProgress: (share: number, doing: string) => void;
  clock: () => number;
}

/**
 * Checks options and fills in defaults.
 *
 * @throws {ZbudError} `ENOENT` for a codec or driver that is not registered, naming those that are;
 *   `EINVAL` for anything else that is wrong, naming the option.
 */
export function readOptions(options: EstimateOptions): Settings {
  checkNames("an estimate", options, NAMES);
  registerBuiltIns();
  const units = [...new Set(distinct("units", options.units ?? [4 * KiB, 16 * KiB]).map(readUnit))];
  const maxUnit = Math.max(...units);
  const sampleBytes = readSampleBytes(options.sampleBytes ?? 64 * MiB, maxUnit);
  return {
    codecs: known("codec", distinct("codecs", options.codecs ?? ["lz4", "zstd"]), codecNames()),
    drivers: known("driver", distinct("drivers", options.drivers ?? driverTypes()), driverTypes()),
    units,
    maxUnit,
    sampleBytes,
    batchBytes: Math.min(Math.max(BATCH_UNITS * maxUnit, BATCH_BYTES_MIN), BATCH_BYTES_MAX),
    seed: integerOption("seed", options.seed ?? 1, 0, 0xffff_ffff),
    goal: readGoal(options.for ?? "balance"),
    signal: options.signal ?? null,
    onProgress: options.onProgress ?? (() => {}),
    clock: options.clock ?? (() => performance.now()),
  };
}

function distinct<T>(name: string, values: readonly T[]): T[] {
  if (!Array.isArray(values) || values.length === 0) {
    throw new ZbudError("EINVAL", `${name} must name at least one, not ${show(values)}`);
  }
  return [...new Set(values)];
}

/** @throws {ZbudError} `EINVAL` for what is no goal. */
export function readGoal(value: Goal): Goal {
  if (GOALS.includes(value)) return value;
  throw new ZbudError("EINVAL", `for (--for) is ${listed(GOALS)}, not ${show(value)}${meant(value, GOALS)}`);
}

function meant(value: unknown, names: readonly string[]): string {
  const nearest = typeof value === "string" ? nearestOf(value, names) : undefined;
  return nearest === undefined ? "" : `: did you mean ${nearest}?`;
}

function known(kind: string, names: string[], registered: readonly string[]): string[] {
  for (const name of names) {
    if (!registered.includes(name)) {
      throw new ZbudError(
        "ENOENT",
        `unknown ${kind} ${show(name)}: use ${listed(registered)}${meant(name, registered)}`,
      );
    }
  }
  return names;
}

function listed(names: readonly string[]): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

function readUnit(value: Size): number {
  const unit = bytesOf(value);
  const whole = typeof unit === "number" && Number.isInteger(unit);
  if (!whole || unit < UNIT_BYTES_MIN || unit > UNIT_BYTES_MAX || (unit & (unit - 1)) !== 0) {
    throw new ZbudError(
      "EINVAL",
      `a unit must be a power of two from 1k (1024 bytes) to 1m (1048576), not ${show(value)}`,
    );
  }
  return unit;
}

function readSampleBytes(value: Size | "all", maxUnit: number): number {
  if (value === "all") return Number.POSITIVE_INFINITY;
  const bytes = bytesOf(value);
  if (typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < maxUnit) {
    throw new ZbudError(
      "EINVAL",
      `the sample (--sample) must be "all" or at least one unit (--unit: ${maxUnit} bytes), not ${show(value)}`,
    );
  }
  return bytes - (bytes % maxUnit);
}

function bytesOf(value: unknown): unknown {
  return typeof value === "string" ? parseBytes(value) : value;
}
