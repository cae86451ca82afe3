import type { CoherenceListener, CoherentStore } from "../backing/index.ts";
import { beginGrace, distrust, type Engine, type Trust, versionsOf } from "../engine/index.ts";
import { HEARING, type SharedState } from "./shared-state.ts";

/*
 * Words in the memory that all threads and processes of a machine share; times are the low 32 bits of the machine's steady
 * clock in ms, compared by their difference.
 *
 *   LEADER   member that listens for all, or 0
 *   HEARS    1: it is told everything at this moment, as far as it knows
 *   UNTIL    until when entries that are known to be what others have (`engine/trust.ts`) are served
 *   GRACE    until when those are that were known to be it before the line broke last
 */
const LEADER = HEARING;
const HEARS = HEARING + 1;
const UNTIL = HEARING + 2;
const GRACE = HEARING + 3;

/** While nothing is told, entries are served for this many steps of a window that slides. */
const STEPS = 5;
const STEP_MS_MIN = 5;
/** A leader that showed no sign of life for so many heartbeats is given up, though its thread may live. */
const SILENT_BEATS = 5;

/** What the listening thread does when it is told something. */
export type Told = Pick<CoherenceListener, "key" | "tag" | "all">;

/**
 * What a machine knows of what others change. One of its threads listens for all; if that ends, another one takes over,
 * and what is in memory then has to be compared with the server once.
 */
export class Hearing {
  readonly #engine: Engine;
  readonly #state: SharedState;
  readonly #words: Int32Array;
  readonly #store: CoherentStore;
  readonly #told: Told;
  readonly #member: number;
  readonly #beat: ReturnType<typeof setInterval>;
  /** Ends listening; null: another thread does. */
  #stop: (() => void) | null = null;
  #sliding: ReturnType<typeof setInterval> | null = null;
  /** When the last ping was sent that was answered on this line; 0: none yet. */
  #heardTo = 0;
  #ready: Promise<void> | null = null;
  #endReady: (() => void) | null = null;
  /** What was told and is being carried out, by that time when it was told. */
  readonly #open: Set<{ readonly heardTo: number }> = new Set();

  constructor(engine: Engine, state: SharedState, store: CoherentStore, told: Told) {
    this.#engine = engine;
    this.#state = state;
    this.#words = state.words;
    this.#store = store;
    this.#told = told;
    this.#member = engine.member;
    const now = steadyMs() | 0 || 1;
    Atomics.compareExchange(this.#words, UNTIL, 0, now);
    Atomics.compareExchange(this.#words, GRACE, 0, now);
    this.#beat = setInterval(() => this.#lead(), store.heartbeatMs);
    this.#beat.unref();
    this.#lead();
    if (this.#stop !== null && store.ttlMs === 0) this.#awaitFirst();
  }

  #awaitFirst(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#endReady?.(), this.#store.timeoutMs);
    timer.unref();
    this.#ready = promise;
    this.#endReady = () => {
      clearTimeout(timer);
      this.#ready = this.#endReady = null;
      resolve();
    };
  }

  /** Whether an entry that is so far trusted may be served now. */
  serves(trust: Trust): boolean {
    if (trust === "unknown") return false;
    const until = Atomics.load(this.#words, trust === "known" ? UNTIL : GRACE);
    return ((until - (steadyMs() | 0)) | 0) > 0;
  }

  /** Whether what others change is told, though perhaps not at once: what was there before is distrusted. */
  get listens(): boolean {
    return Atomics.load(this.#words, HEARS) === 1;
  }

  /** Whether everything that others change is told at this moment. */
  get hears(): boolean {
    return this.listens && this.serves("known");
  }

  /**
   * Something that was told takes a while. Until it ends, nothing that is heard later lengthens how long entries are served,
   * so that also with an event loop that is late nothing is served beyond the bound.
   *
   * @returns what ends it.
   */
  carryOut(): () => void {
    const mark = { heardTo: this.#heardTo };
    this.#open.add(mark);
    return () => {
      this.#open.delete(mark);
      this.#extend();
    };
  }

  /** Entries are served by what was heard last, or, while something is carried out, by what was before that was told. */
  #extend(): void {
    if (!this.listens || !this.#isLeader) return;
    const { heartbeatMs, timeoutMs, graceMs } = this.#store;
    const [oldest] = this.#open;
    const heardTo = oldest === undefined ? this.#heardTo : oldest.heardTo;
    if (heardTo > 0) Atomics.store(this.#words, UNTIL, (heardTo + heartbeatMs + timeoutMs + graceMs) | 0);
  }

  /** While nothing was told yet since this thread began to listen: waits for that, but not for long. Null: no need. */
  get ready(): Promise<void> | null {
    return this.#ready;
  }

  close(): void {
    clearInterval(this.#beat);
    this.#endReady?.();
    this.#leave();
    // Who has a cache after this one begins by asking.
    if (Atomics.compareExchange(this.#words, LEADER, this.#member, 0) === this.#member)
      Atomics.store(this.#words, HEARS, 0);
  }

  /** Looks whether this thread is to listen. */
  #lead(): void {
    const words = this.#words;
    if (this.#engine.isClosed) {
      this.close();
      return;
    }
    const leader = Atomics.load(words, LEADER);
    if (this.#stop !== null) {
      if (leader !== this.#member) this.#leave();
      return;
    }
    if (leader !== 0 && leader !== this.#member && !this.#isSilent() && !this.#engine.isGone(leader)) return;
    if (Atomics.compareExchange(words, LEADER, leader, this.#member) !== leader) return;
    if (this.#store.ttlMs > 0) {
      this.#stop = () => {};
      this.#slide(this.#store.ttlMs);
    } else this.#stop = this.#store.listen(this.#listener());
  }

  #isSilent(): boolean {
    const { heartbeatMs, timeoutMs, graceMs } = this.#store;
    const silence = (steadyMs() | 0) - Atomics.load(this.#words, UNTIL);
    return (silence | 0) > SILENT_BEATS * heartbeatMs + timeoutMs + graceMs;
  }

  /** One that was silent for long has a successor, and finds out with its next heartbeat. */
  get #isLeader(): boolean {
    return !this.#engine.isClosed && Atomics.load(this.#words, LEADER) === this.#member;
  }

  #leave(): void {
    this.#stop?.();
    this.#stop = null;
    this.#endSliding();
  }

  #listener(): CoherenceListener {
    const words = this.#words;
    const { graceMs } = this.#store;
    return {
      ...this.#told,
      carryOut: () => this.carryOut(),
      began: () => {
        if (!this.#isLeader) return;
        this.#endSliding();
        this.#heardTo = 0;
        this.#open.clear();
        // What is being read since before may be older than what was not told.
        this.#state.invalidateTier();
        distrust(this.#engine, versionsOf(this.#engine));
        Atomics.store(words, HEARS, 1);
        this.#endReady?.();
      },
      alive: (sentAt) => {
        if (!this.#isLeader) return;
        this.#heardTo = sentAt;
        this.#extend();
      },
      broke: () => {
        if (!this.#isLeader) return;
        Atomics.store(words, HEARS, 0);
        this.#state.invalidateTier();
        // First: what was not compared since an earlier break has had its grace.
        beginGrace(this.#engine);
        const now = steadyMs() | 0;
        const until = (now + graceMs) | 0;
        const before = Atomics.load(words, UNTIL);
        Atomics.store(words, GRACE, ((before - until) | 0) < 0 ? before : until);
        Atomics.store(words, UNTIL, now);
        distrust(this.#engine, versionsOf(this.#engine));
        if (graceMs > 0) this.#slide(graceMs);
      },
    };
  }

  /** While nothing is told: what is put or asked for from here on is served for so long. */
  #slide(ms: number): void {
    this.#endSliding();
    const step = Math.max(STEP_MS_MIN, Math.floor(ms / STEPS));
    const aheadMs = Math.min(2 * step, ms);
    const marks: { readonly at: number; readonly versions: number[] }[] = [];
    const tick = (): void => {
      if (!this.#isLeader) {
        this.#endSliding();
        return;
      }
      // Somebody may be stopped within a lock: this waits for nobody, and what is in memory is served no longer meanwhile.
      if (this.#engine.isBusy()) return;
      const now = steadyMs();
      marks.push({ at: now, versions: versionsOf(this.#engine) });
      // What was put after a mark is at most `ms` old when what is promised here ends. A tick may be late by any time, as
      // when the process was stopped: then nothing of before it counts.
      let isOld = false;
      while (marks[0].at < now + aheadMs - ms) {
        marks.shift();
        isOld = true;
      }
      if (isOld) distrust(this.#engine, marks[0].versions);
      Atomics.store(this.#words, UNTIL, (now + aheadMs) | 0);
    };
    this.#sliding = setInterval(tick, step);
    this.#sliding.unref();
    tick();
  }

  #endSliding(): void {
    if (this.#sliding !== null) clearInterval(this.#sliding);
    this.#sliding = null;
  }
}

/** What this thread's clock is behind the machine's, which is one for all its processes and is never set. */
let offset: number | undefined;

/** Milliseconds since the machine started, or the like: the same in all its threads and processes. */
export function steadyMs(): number {
  // Asked for at the first use: a browser, which has no such tier, has no `process` either.
  offset ??= Number(process.hrtime.bigint() / 1000n) / 1000 - performance.now();
  return performance.now() + offset;
}
