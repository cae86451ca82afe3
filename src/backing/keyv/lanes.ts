import { ZbudError } from "../../base/index.ts";
import type { WriteOutcome } from "../types.ts";
import type { StoreDoor } from "./door.ts";
import type { Health } from "./health.ts";

/** Calls under way at a time. */
const CALLS_MAX = 64;
/** Calls that never answered; beyond these, nothing is accepted any more until one does. */
const STUCK_MAX = 256;
/** How long until a delete that failed is tried again while the store is not down. */
const RETRY_MS = 50;

/** A value on its way to the store. */
export interface Setting {
  readonly value: string;
  /** When the value ends, in ms since 1970, or 0. */
  readonly expiresAt: number;
  readonly bytes: number;
  readonly settle: (outcome: WriteOutcome) => void;
}

/**
 * What is still to be told about one key. A key has a lane from the first call that changes it until the
 * store is known to have what the last one said; reads of it are misses until then.
 *
 * One call at a time is under way for a key, so the store sees them in order; whatever came in between and
 * was not sent yet is left out.
 */
interface Lane {
  readonly key: string;
  /** What is under way: a value, a delete, or nothing. */
  active: Setting | "delete" | null;
  /** What its value's outcome is when it ends; null: how it ended, since it is still what is wanted. */
  verdict: WriteOutcome | null;
  /** It did not answer in its time. It may yet take effect, so nothing else is sent until it ends. */
  isStuck: boolean;
  /** What is to be sent next. */
  next: Setting | "delete" | null;
  isQueued: boolean;
}

export interface LanesOptions {
  readonly timeoutMs: number;
  readonly lanesMax: number;
  readonly now: () => number;
  /** More keys wait for their delete than may: from now on nothing that was written before counts. */
  readonly overflow: () => void;
}

/** The lanes of all keys that have one. */
export class Lanes {
  readonly #door: StoreDoor;
  readonly #health: Health;
  readonly #options: LanesOptions;
  readonly #lanes: Map<string, Lane> = new Map();
  readonly #queue: Lane[] = [];
  /** Lanes whose delete failed, until it is time to try again. */
  readonly #waiting: Lane[] = [];
  readonly #idle: Set<() => void> = new Set();
  #calls = 0;
  #stuck = 0;
  #bytes = 0;
  /** Values that are to be sent next. */
  #unsent = 0;
  #held = 0;
  /** Of those who hold, the ones that took too long. */
  #late = 0;
  #retry: ReturnType<typeof setTimeout> | null = null;
  /** How long values wait for a store that is down. It keeps the process alive. */
  #patience: ReturnType<typeof setTimeout> | null = null;

  constructor(door: StoreDoor, health: Health, options: LanesOptions) {
    this.#door = door;
    this.#health = health;
    this.#options = options;
  }

  has(key: string): boolean {
    return this.#lanes.has(key);
  }

  get count(): number {
    return this.#lanes.size;
  }

  /** Bytes of values that were accepted and have no outcome, or may yet take effect. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a value for this key can be accepted now. */
  admits(key: string): boolean {
    const lane = this.#lanes.get(key);
    if (lane?.isStuck === true || this.#stuck >= STUCK_MAX || this.#late > 0) return false;
    return lane !== undefined || this.#lanes.size < this.#options.lanesMax;
  }

  set(key: string, setting: Setting): void {
    this.#bytes += setting.bytes;
    this.#want(key, setting);
  }

  delete(key: string): void {
    if (!this.#lanes.has(key) && this.#lanes.size >= this.#options.lanesMax) this.#options.overflow();
    this.#want(key, "delete");
  }

  /** Nothing that was wanted counts any more: values are cancelled, and deletes are not needed. */
  cancelAll(verdict: WriteOutcome): void {
    for (const lane of this.#lanes.values()) {
      this.#supersede(lane, verdict);
      lane.next = null;
      if (lane.active === null) this.#lanes.delete(lane.key);
    }
    this.#queue.length = 0;
    this.#endPatience();
    this.#waiting.length = 0;
    this.#tellIdle();
  }

  /** Sends nothing until `end` is called. From `late` on, values are refused instead of waiting for that. */
  hold(): { readonly end: () => void; readonly late: () => void } {
    this.#held++;
    let late = 0;
    return {
      end: () => {
        this.#held--;
        this.#late -= late;
        this.#pump();
      },
      late: () => {
        late = 1;
        this.#late++;
        this.#pump();
      },
    };
  }

  /** When nothing is left to be told. */
  idle(): Promise<void> {
    if (this.#lanes.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.add(resolve));
  }

  /** Sends what waits for the store to be tried again, if it is time. */
  wake(): void {
    this.#pump();
  }

  /** Timers are left to nobody. */
  stop(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#refuseQueued();
  }

  #want(key: string, next: Setting | "delete"): void {
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = { key, active: null, verdict: null, isStuck: false, next: null, isQueued: false };
      this.#lanes.set(key, lane);
    } else {
      this.#supersede(lane, "ECANCELED");
    }
    lane.next = next;
    if (next !== "delete") this.#unsent++;
    if (lane.active === null) this.#enqueue(lane);
  }

  /** Something newer is wanted of this key. */
  #supersede(lane: Lane, verdict: WriteOutcome): void {
    lane.verdict = verdict;
    if (lane.next === null || lane.next === "delete") return;
    this.#bytes -= lane.next.bytes;
    this.#unsent--;
    lane.next.settle(verdict);
    lane.next = null;
  }

  #enqueue(lane: Lane): void {
    if (lane.next === null || this.#lanes.get(lane.key) !== lane) return;
    if (!lane.isQueued) {
      lane.isQueued = true;
      this.#queue.push(lane);
    }
    this.#pump();
  }

  #pump(): void {
    if (this.#late > 0) this.#refuseQueued();
    while (this.#held === 0 && this.#queue.length > 0 && this.#calls < CALLS_MAX) {
      if (!this.#health.admits()) {
        // A store that is back soon is sent them yet.
        if (this.#unsent > 0)
          this.#patience ??= setTimeout(() => this.#refuseQueued(), this.#options.timeoutMs);
        this.#later(this.#health.waitMs);
        return;
      }
      const lane = this.#queue.shift() as Lane;
      lane.isQueued = false;
      void this.#send(lane);
    }
    if (this.#queue.length === 0) this.#endPatience();
  }

  #endPatience(): void {
    if (this.#patience !== null) clearTimeout(this.#patience);
    this.#patience = null;
  }

  /**
   * Somebody may wait for a value's outcome, with nothing else that keeps the process alive, so it comes in time; a
   * delete has none.
   */
  #refuseQueued(): void {
    this.#endPatience();
    for (const lane of this.#queue) {
      if (lane.next === "delete") continue;
      this.#supersede(lane, "EAGAIN");
      lane.next = "delete";
    }
  }

  #later(ms: number): void {
    this.#retry ??= setTimeout(
      () => {
        this.#retry = null;
        // Those that found something else to do meanwhile are in the queue, or under way.
        for (const lane of this.#waiting.splice(0)) if (lane.active === null) this.#enqueue(lane);
        this.#pump();
      },
      Math.max(ms, RETRY_MS),
    );
    // What is left to be told keeps no process alive; close() waits for it.
    (this.#retry as { unref?: () => void }).unref?.();
  }

  async #send(lane: Lane): Promise<void> {
    const sent = lane.next as Setting | "delete";
    if (sent !== "delete") this.#unsent--;
    lane.active = sent;
    lane.next = null;
    lane.verdict = null;
    this.#calls++;
    const timer = setTimeout(() => this.#stick(lane, sent), this.#options.timeoutMs);
    let error: ZbudError | null = null;
    try {
      if (sent === "delete") await this.#door.delete(lane.key);
      else await this.#sendValue(lane.key, sent);
    } catch (cause) {
      error = cause as ZbudError;
    }
    clearTimeout(timer);
    this.#ended(lane, sent, error);
  }

  async #sendValue(key: string, { value, expiresAt }: Setting): Promise<void> {
    const now = this.#options.now();
    if (expiresAt === 0) await this.#door.set(key, value, 0, now);
    else if (expiresAt > now) await this.#door.set(key, value, expiresAt - now, now);
    else await this.#door.delete(key);
  }

  /** A call's time is over. */
  #stick(lane: Lane, sent: Setting | "delete"): void {
    lane.isStuck = true;
    this.#stuck++;
    this.#calls--;
    this.#health.failed();
    const late = lateError(this.#options.timeoutMs);
    if (sent !== "delete") sent.settle(lane.verdict ?? late);
    // A value that waits behind it cannot be sent in time either.
    this.#supersede(lane, late);
    lane.next = "delete";
    this.#pump();
  }

  #ended(lane: Lane, sent: Setting | "delete", error: ZbudError | null): void {
    const wasStuck = lane.isStuck;
    lane.isStuck = false;
    lane.active = null;
    if (wasStuck) this.#stuck--;
    else this.#calls--;
    if (error === null) this.#health.succeeded();
    else if (!wasStuck) this.#health.failed();
    // What failed may have taken effect all the same, or may have left what was there before.
    if (lane.next === null && lane.verdict === null && error !== null) lane.next = "delete";
    const next = lane.next;
    if (next === null) this.#lanes.delete(lane.key);
    if (sent !== "delete") {
      this.#bytes -= sent.bytes;
      if (!wasStuck) sent.settle(lane.verdict ?? error ?? "ok");
    }
    if (next !== null) {
      if (error === null || next !== "delete") this.#enqueue(lane);
      else {
        this.#waiting.push(lane);
        this.#later(this.#health.waitMs);
      }
    }
    this.#pump();
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#lanes.size > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }
}

function lateError(timeoutMs: number): ZbudError {
  return new ZbudError("ETIMEDOUT", `a write failed: the store did not answer within ${timeoutMs} ms`);
}
