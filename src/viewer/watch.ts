import { ZbudError } from "../base/index.ts";
import { isInspectable, snapshotColumns } from "../diagnostics/index.ts";
import type { PoolObserver, SnapshotColumns } from "../pool/index.ts";
import { Decisions } from "./decisions.ts";
import { Entries } from "./entries.ts";
import { flattenStats } from "./flatten-stats.ts";
import type { Frame } from "./snapshot-frame.ts";
import type { Hello, Tick, Viewable } from "./types.ts";

/** Between two looks at the counters, or at the pages; to serve a look costs something too. */
const TICK_MS = 500;
const PLAYER_TICK_MS = 100;
/**
 * The parts of a program's time that looking at its counters may take, and looking at its pages and sending them:
 * together less than the promised 1 %, since collecting what a look leaves behind is not in it. The next look is put
 * off until the time since the last is so long that this holds.
 */
const COUNTERS_SHARE = 0.002;
const PAGES_SHARE = 0.005;
/** Pages evicted from that one tick names. */
const EVICTED_MAX = 2000;

/** A snapshot, and which it is. */
export interface NumberedFrame {
  readonly number: number;
  readonly frame: Frame;
}

/**
 * Looks at something for all who watch it. While nobody does, it is left alone; else a look is never nearer
 * to the last than what that one took divided by its share of the time.
 */
export class Watch {
  readonly #target: Viewable;
  /** Null: it has no pages to show. */
  readonly #columns: (() => SnapshotColumns) | null;
  readonly #title: string;
  readonly #clock: () => number;
  readonly #made: number;
  readonly #listeners = new Set<(tick: Tick) => void>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #tickDue = 0;
  /** When the next look may be for somebody who asks. */
  #askedDue = 0;
  /** What the last look at counters took. */
  #lastCost = 0;
  #frameDue = 0;
  #frames = 0;
  #last: NumberedFrame | null = null;
  #waiting: Promise<NumberedFrame> | null = null;
  #endHearing: (() => void) | null = null;
  #evictedFrom: number[] = [];
  readonly #decisions: Decisions;
  readonly #entries: Entries;
  #lastTick: Tick | null = null;

  /**
   * @param clock - milliseconds.
   * @param keys - whether to show the keys of some entries.
   */
  constructor(target: Viewable, title: string, clock: () => number, keys = false) {
    this.#target = target;
    this.#columns = columnsOf(target);
    this.#title = title;
    this.#clock = clock;
    this.#made = clock();
    this.#decisions = new Decisions(() => clock() - this.#made);
    this.#entries = new Entries(target, keys);
  }

  hello(): Hello {
    return {
      title: this.#title,
      pages: this.#columns !== null,
      player: this.#target.player !== undefined,
      keys: this.#entries.areKeysShown,
    };
  }

  get watchers(): number {
    return this.#listeners.size;
  }

  /** Calls back with the counters from now on, until the function that this returns is called. */
  subscribe(listener: (tick: Tick) => void): () => void {
    if (this.#listeners.size === 0) this.#begin();
    this.#listeners.add(listener);
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      this.#end();
    };
  }

  /** What a player was told to do is shown at once. */
  soon(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#tick();
  }

  /** The counters now. */
  tick(): Tick {
    const tick = this.#takeTick(this.#evictedFrom);
    this.#evictedFrom = [];
    return tick;
  }

  /**
   * The counters for whoever asks once and does not subscribe, however often: if it is not time for another look, those
   * of the last. What is told to subscribers once, it leaves to them.
   */
  latest(): Tick {
    if (this.#lastTick === null || this.#clock() >= this.#askedDue) return this.#takeTick([]);
    return { ...this.#lastTick, evictedFrom: [] };
  }

  #takeTick(evictedFrom: readonly number[]): Tick {
    const begun = this.#clock();
    const flat = flattenStats(this.#target.stats());
    const looked = this.#entries.look(begun);
    this.#restAfterTick(begun);
    const at = this.#clock() - this.#made;
    const player = this.#target.player?.state() ?? null;
    this.#lastTick = { at, ...flat, ...looked, evictedFrom, decisions: this.#decisions.shown(), player };
    return this.#lastTick;
  }

  /**
   * A snapshot. A new one if it is time for one, else the last; who has that one (`after` is its number)
   * waits for the next, and all who wait get the same.
   *
   * @throws {ZbudError} `ENOTSUP` if there are no pages to show.
   */
  async frame(after: number): Promise<NumberedFrame> {
    if (this.#columns === null) {
      throw new ZbudError(
        "ENOTSUP",
        `${this.#title} has no snapshotColumns(): only its counters can be shown`,
      );
    }
    const wait = this.#frameDue - this.#clock();
    if (wait <= 0) return this.#takeFrame();
    if (this.#last !== null && this.#last.number > after) return this.#last;
    this.#waiting ??= new Promise<void>((resolve) => timer(resolve, wait)).then(() => {
      this.#waiting = null;
      return this.#takeFrame();
    });
    return await this.#waiting;
  }

  /** Sends a frame, and counts the time that this takes with that of the look. */
  send(work: () => void): void {
    const begun = this.#clock();
    work();
    if (this.#target.player === undefined) this.#frameDue += (this.#clock() - begun) / PAGES_SHARE;
  }

  #takeFrame(): NumberedFrame {
    const begun = this.#clock();
    const frame = { number: this.#frames + 1, frame: (this.#columns as () => SnapshotColumns)() };
    this.#frames += 1;
    this.#frameDue = this.#dueAfter(begun, PAGES_SHARE);
    this.#last = frame;
    if (this.#listeners.size === 0) this.#forget();
    return frame;
  }

  /** Once another may be taken, the last is not kept for nobody. */
  #forget(): void {
    const last = this.#last;
    if (last === null) return;
    timer(
      () => {
        if (this.#last === last && this.#listeners.size === 0) this.#last = null;
      },
      Math.max(0, this.#frameDue - this.#clock()),
    );
  }

  /** Ends all watching. */
  close(): void {
    this.#listeners.clear();
    this.#end();
  }

  #begin(): void {
    this.#endHearing = this.#listen();
    this.#decisions.begin();
    this.#plan();
  }

  #end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#forget();
    this.#entries.forget();
    this.#lastTick = null;
    this.#decisions.end();
    this.#endHearing?.();
    this.#endHearing = null;
  }

  /** Hears of evictions only: an alloc or a free then costs what it costs when nobody listens. */
  #listen(): (() => void) | null {
    const { inspect } = this.#target;
    if (this.#target.observe === undefined || inspect === undefined) return null;
    const observer: PoolObserver = {
      onEvictStart: (handle) => {
        if (this.#evictedFrom.length >= EVICTED_MAX) return;
        try {
          this.#evictedFrom.push(inspect.call(this.#target, handle as never).page);
        } catch {
          // Another thread freed it meanwhile.
        }
      },
    };
    try {
      return this.#target.observe(observer);
    } catch {
      // It was closed.
      return null;
    }
  }

  #plan(): void {
    const tick = this.#target.player === undefined ? TICK_MS : PLAYER_TICK_MS;
    const wait = Math.max(tick, this.#tickDue - this.#clock());
    this.#timer = timer(() => this.#tick(), wait);
  }

  #tick(): void {
    let tick: Tick;
    try {
      tick = this.tick();
    } catch {
      // It was closed: there is nothing more to tell.
      this.#timer = null;
      return;
    }
    for (const listener of this.#listeners) listener(tick);
    if (this.#listeners.size > 0) this.#plan();
  }

  /**
   * Plans the next look at counters. One that took far longer than the last, and the first of all, met the compiler, the
   * collector or another process: the shorter of two counts.
   */
  #restAfterTick(begun: number): void {
    const now = this.#clock();
    const rest = Math.min(now - begun, this.#lastCost) / COUNTERS_SHARE;
    this.#lastCost = now - begun;
    this.#askedDue = now + rest;
    this.#tickDue = this.#target.player === undefined ? now + Math.max(TICK_MS, rest) : 0;
  }

  /** When the next look may be, after one that began then and ends now. A player is there to be looked at. */
  #dueAfter(begun: number, share: number): number {
    const now = this.#clock();
    return this.#target.player === undefined ? now + Math.max(TICK_MS, (now - begun) / share) : 0;
  }
}

/** What gives a target's pages. */
function columnsOf(target: Viewable): (() => SnapshotColumns) | null {
  if (target.snapshotColumns !== undefined) return () => (target as Required<Viewable>).snapshotColumns();
  return isInspectable(target) ? () => snapshotColumns(target) : null;
}

/** A timer that does not keep a process alive. */
function timer(call: () => void, ms: number): ReturnType<typeof setTimeout> {
  const made = setTimeout(call, ms);
  if (typeof made === "object") made.unref();
  return made;
}
