import { show, ZbudError } from "../base/index.ts";
import { snapshotColumns } from "../diagnostics/index.ts";
import { Observers, type Pool, type PoolObserver, type SnapshotColumns } from "../pool/index.ts";
import { replaySteps, type Trace, type TraceLine } from "../trace/index.ts";
import type { PlayerCommand, PlayerControls, PlayerState, Viewable } from "./types.ts";

const SPEED_MAX = 1e7;
/** Between two turns of a player, and how long one turn may take. */
const TURN_MS = 40;
const WORK_MS = 25;
/** Times of operations that latencies are told of. */
const TIMES = 1024;

/**
 * Plays a trace on a real pool: as fast as told, step by step, to any place. Nothing of it needs Node.
 */
export class TracePlayer implements Viewable, PlayerControls {
  readonly #trace: Trace;
  readonly #clock: () => number;
  readonly #times = new Float64Array(TIMES);
  #timed = 0;
  #steps: Generator<number, unknown>;
  #pool!: Pool;
  #mismatches = 0;
  #heard: PoolObserver | null = null;
  #endHearing: () => void = () => {};
  readonly #observers: Observers = new Observers((heard) => {
    this.#heard = heard;
    this.#hear();
  });
  #position = 0;
  #speed = 1000;
  #playing = false;
  #due = 0;
  #turnedAt = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /**
   * @param clock - milliseconds, as fine as there is.
   * @throws {ZbudError} as `replay` for a trace that describes no pool.
   */
  constructor(trace: Trace, clock: () => number = () => performance.now()) {
    this.#trace = trace;
    this.#clock = clock;
    this.#steps = this.#open();
  }

  get player(): PlayerControls {
    return this;
  }

  get type(): string {
    return this.#trace.header.driver ?? "zbud";
  }

  state(): PlayerState {
    const last = this.#trace.operations[this.#position - 1];
    return {
      playing: this.#playing,
      speed: this.#speed,
      position: this.#position,
      length: this.#trace.operations.length,
      last: last === undefined ? "" : operationText(last),
      mismatches: this.#mismatches,
    };
  }

  control(command: PlayerCommand): void {
    switch (command?.do) {
      case "play":
        if (this.#position === this.#trace.operations.length) this.#seek(0);
        this.#play();
        return;
      case "pause":
        this.#pause();
        return;
      case "step":
        this.#pause();
        this.#run(1, Number.POSITIVE_INFINITY);
        return;
      case "speed":
        this.#speed = inRange("speed", command.value, 1, SPEED_MAX);
        this.#due = 0;
        return;
      case "seek":
        this.#seek(Math.floor(inRange("seek", command.value, 0, this.#trace.operations.length)));
        return;
      default:
        throw new ZbudError(
          "EINVAL",
          `a command must be play, pause, step, seek or speed, not ${show(command)}`,
        );
    }
  }

  snapshotColumns(): SnapshotColumns {
    return snapshotColumns(this.#pool);
  }

  /** The pool's figures, and how long an operation took of late. */
  stats(): object {
    const times = this.#times.subarray(0, Math.min(this.#timed, TIMES)).toSorted();
    const at = (share: number): number => (times[Math.floor(share * times.length)] ?? 0) * 1e6;
    return { ...this.#pool.stats(), operationNs: { median: at(0.5), p99: at(0.99) } };
  }

  observe(observer: PoolObserver): () => void {
    return this.#observers.add(observer);
  }

  inspect(handle: never): { page: number } {
    return this.#pool.inspect(handle);
  }

  close(): void {
    this.#pause();
    this.#steps.return(undefined);
  }

  #open(): Generator<number, unknown> {
    const steps = replaySteps(this.#trace, {
      turnOperations: 1,
      maxMismatches: 2 ** 31,
      onPool: (pool) => {
        this.#pool = pool;
        this.#hear();
      },
      onMismatch: () => {
        this.#mismatches += 1;
      },
    });
    steps.next();
    return steps;
  }

  /** Every seek backwards makes another pool. */
  #hear(): void {
    this.#endHearing();
    if (this.#heard !== null) this.#endHearing = this.#pool.observe(this.#heard);
  }

  #play(): void {
    if (this.#playing) return;
    this.#playing = true;
    this.#due = 0;
    this.#turnedAt = this.#clock();
    this.#turn();
  }

  #pause(): void {
    this.#playing = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Does as many operations as are due, or as many as a turn has time for. */
  #turn(): void {
    const now = this.#clock();
    this.#due += ((now - this.#turnedAt) / 1000) * this.#speed;
    this.#turnedAt = now;
    const count = Math.floor(this.#due);
    // What a turn has no time for is left out, not made up for: else the next would be longer still.
    this.#due -= count;
    this.#run(count, WORK_MS);
    if (this.#position === this.#trace.operations.length) this.#pause();
    else this.#timer = setTimeout(() => this.#turn(), TURN_MS);
  }

  #run(count: number, ms: number): void {
    const end = Math.min(this.#position + count, this.#trace.operations.length);
    const stop = this.#clock() + ms;
    while (this.#position < end) {
      const begun = this.#clock();
      this.#steps.next();
      const ended = this.#clock();
      this.#position += 1;
      this.#times[this.#timed++ % TIMES] = ended - begun;
      if (ended > stop) return;
    }
  }

  #seek(position: number): void {
    if (position < this.#position) {
      this.#steps.return(undefined);
      this.#position = 0;
      this.#mismatches = 0;
      this.#steps = this.#open();
    }
    this.#run(position - this.#position, Number.POSITIVE_INFINITY);
    this.#turnedAt = this.#clock();
    this.#due = 0;
  }
}

function inRange(name: string, value: unknown, low: number, high: number): number {
  if (typeof value !== "number" || !(value >= low && value <= high)) {
    throw new ZbudError("EINVAL", `${name} takes a number from ${low} to ${high}, not ${show(value)}`);
  }
  return value;
}

function operationText(line: TraceLine): string {
  switch (line.op) {
    case "alloc":
      return "error" in line
        ? `alloc of ${line.size} B: ${line.error}`
        : `alloc of ${line.size} B: object ${line.id} at byte ${line.offset}`;
    case "free":
      return `free of object ${line.id}`;
    case "reclaim":
      return `reclaim: ${line.evictions.length} offered, ${line.result}`;
    case "compact":
      return `compact: ${line.moved} moved, ${line.released} pages released`;
    default:
      return `shrink by ${line.pages}: ${line.reclaimed} released, ${line.result}`;
  }
}
