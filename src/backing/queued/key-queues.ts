import { ZbudError } from "../../base/index.ts";
import type { WriteOutcome } from "../types.ts";
import type { Health } from "./health.ts";

/** Calls under way at a time, if nobody says. */
const CALLS_MAX = 64;
/** Places at the front of the queue that are left empty. */
const TAKEN_MAX = 1024;
/** Calls that never answered; beyond these, nothing is accepted any more until one does. */
const STUCK_MAX = 256;
/** How long until a delete that failed is tried again while the store is not down. */
const RETRY_MS = 50;

/** The calls on a store, of which each rejects if it failed. */
export interface StoreCalls<T> {
  /** @param leftMs - how long the value lasts, or 0: for ever. @param now - in ms since 1970. */
  set(key: string, value: T, leftMs: number, now: number): Promise<void>;
  delete(key: string): Promise<void>;
}

/** A value on its way to the store. */
export interface Setting<T> {
  readonly value: T;
  /** When the value ends, in ms since 1970, or 0. */
  readonly expiresAt: number;
  readonly bytes: number;
  readonly settle: (outcome: WriteOutcome) => void;
}

/**
 * What is still to be told about one key. A key has a queue from the first call that changes it until the
 * store is known to have what the last one said; until then reads of it find the value that is on its way, or nothing.
 *
 * One call at a time is under way for a key, so the store sees them in order; whatever came in between and
 * was not sent yet is left out.
 */
interface KeyQueue<T> {
  readonly key: string;
  /** What is under way: a value, a delete, or nothing. */
  active: Setting<T> | "delete" | null;
  /** What its value's outcome is when it ends; null: how it ended, since it is still what is wanted. */
  verdict: WriteOutcome | null;
  /** It did not answer in its time. It may yet take effect, so nothing else is sent until it ends. */
  isStuck: boolean;
  /** What is to be sent next. */
  next: Setting<T> | "delete" | null;
  isQueued: boolean;
  /** Called when it ends. */
  readonly waits: (() => void)[];
}

export interface KeyQueuesOptions {
  readonly timeoutMs: number;
  readonly maxQueues: number;
  /** Calls under way at a time. */
  readonly maxCalls?: number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** More keys wait for their delete than may: from now on nothing that was written before counts. */
  readonly overflow: () => void;
}

/** The queues of all keys that have one. */
export class KeyQueues<T> {
  readonly #client: StoreCalls<T>;
  readonly #health: Health;
  readonly #options: KeyQueuesOptions;
  readonly #queues: Map<string, KeyQueue<T>> = new Map();
  readonly #queue: KeyQueue<T>[] = [];
  /** Those before it were taken out: a long array is not moved for each. */
  #head = 0;
  /** Queues whose delete failed, until it is time to try again. */
  readonly #waiting: KeyQueue<T>[] = [];
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

  constructor(client: StoreCalls<T>, health: Health, options: KeyQueuesOptions) {
    this.#client = client;
    this.#health = health;
    this.#options = options;
  }

  has(key: string): boolean {
    return this.#queues.has(key);
  }

  /** The value on its way that a key has once all that was said is done; null: none, or it is known to have failed. */
  valueOf(key: string): T | null {
    const queue = this.#queues.get(key);
    if (queue === undefined || queue.isStuck) return null;
    const wanted = queue.next ?? (queue.verdict === null ? queue.active : null);
    return wanted === null || wanted === "delete" ? null : wanted.value;
  }

  /** Calls `then` when there is nothing to be told of a key any more; false, and no call: there is nothing now. */
  whenEnded(key: string, then: () => void): boolean {
    const queue = this.#queues.get(key);
    if (queue === undefined) return false;
    queue.waits.push(then);
    return true;
  }

  get count(): number {
    return this.#queues.size;
  }

  /** Bytes of values that were accepted and have no outcome, or may yet take effect. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a value for this key can be accepted now. */
  admits(key: string): boolean {
    const queue = this.#queues.get(key);
    if (queue?.isStuck === true || this.#stuck >= STUCK_MAX || this.#late > 0) return false;
    return queue !== undefined || this.#queues.size < this.#options.maxQueues;
  }

  set(key: string, setting: Setting<T>): void {
    this.#bytes += setting.bytes;
    this.#want(key, setting);
  }

  delete(key: string): void {
    if (!this.#queues.has(key) && this.#queues.size >= this.#options.maxQueues) this.#options.overflow();
    this.#want(key, "delete");
  }

  /** Nothing that was wanted counts any more: values are cancelled, and deletes are not needed. */
  cancelAll(verdict: WriteOutcome): void {
    for (const queue of this.#queues.values()) {
      this.#supersede(queue, verdict);
      queue.next = null;
      if (queue.active === null) this.#end(queue);
    }
    this.#queue.length = 0;
    this.#head = 0;
    this.#endPatience();
    this.#waiting.length = 0;
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

  /** When all that is to be told now was told. Of what comes later it waits only for what is about the same keys. */
  async told(): Promise<void> {
    const waits = Array.from(
      this.#queues.values(),
      (queue) => new Promise<void>((resolve) => queue.waits.push(resolve)),
    );
    await Promise.all(waits);
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

  #want(key: string, next: Setting<T> | "delete"): void {
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = { key, active: null, verdict: null, isStuck: false, next: null, isQueued: false, waits: [] };
      this.#queues.set(key, queue);
    } else {
      this.#supersede(queue, "ECANCELED");
    }
    queue.next = next;
    if (next !== "delete") this.#unsent++;
    if (queue.active === null) this.#enqueue(queue);
  }

  /** Something newer is wanted of this key. */
  #supersede(queue: KeyQueue<T>, verdict: WriteOutcome): void {
    queue.verdict = verdict;
    if (queue.next === null || queue.next === "delete") return;
    this.#bytes -= queue.next.bytes;
    this.#unsent--;
    queue.next.settle(verdict);
    queue.next = null;
  }

  #enqueue(queue: KeyQueue<T>): void {
    if (queue.next === null || this.#queues.get(queue.key) !== queue) return;
    if (!queue.isQueued) {
      queue.isQueued = true;
      this.#queue.push(queue);
    }
    this.#pump();
  }

  #pump(): void {
    if (this.#late > 0) this.#refuseQueued();
    while (
      this.#held === 0 &&
      this.#head < this.#queue.length &&
      this.#calls < (this.#options.maxCalls ?? CALLS_MAX)
    ) {
      if (!this.#health.admits()) {
        // A store that is back soon is sent them yet.
        if (this.#unsent > 0)
          this.#patience ??= setTimeout(() => this.#refuseQueued(), this.#options.timeoutMs);
        this.#later(this.#health.waitMs);
        return;
      }
      const queue = this.#take();
      queue.isQueued = false;
      void this.#send(queue);
    }
    if (this.#head === this.#queue.length) this.#endPatience();
  }

  #take(): KeyQueue<T> {
    const queue = this.#queue[this.#head++];
    if (this.#head >= TAKEN_MAX && 2 * this.#head >= this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return queue;
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
    for (const queue of this.#queue.slice(this.#head)) {
      if (queue.next === "delete") continue;
      this.#supersede(queue, "EAGAIN");
      queue.next = "delete";
    }
  }

  #later(ms: number): void {
    this.#retry ??= setTimeout(
      () => {
        this.#retry = null;
        // Those that found something else to do meanwhile are in the queue, or under way.
        for (const queue of this.#waiting.splice(0)) if (queue.active === null) this.#enqueue(queue);
        this.#pump();
      },
      Math.max(ms, RETRY_MS),
    );
    // What is left to be told keeps no process alive; close() waits for it.
    (this.#retry as { unref?: () => void }).unref?.();
  }

  async #send(queue: KeyQueue<T>): Promise<void> {
    const sent = queue.next as Setting<T> | "delete";
    if (sent !== "delete") this.#unsent--;
    queue.active = sent;
    queue.next = null;
    queue.verdict = null;
    this.#calls++;
    const timer = setTimeout(() => this.#stick(queue, sent), this.#options.timeoutMs);
    let error: ZbudError | null = null;
    try {
      if (sent === "delete") await this.#client.delete(queue.key);
      else await this.#sendValue(queue.key, sent);
    } catch (cause) {
      error = cause as ZbudError;
    }
    clearTimeout(timer);
    this.#ended(queue, sent, error);
  }

  async #sendValue(key: string, { value, expiresAt }: Setting<T>): Promise<void> {
    const now = this.#options.clock();
    if (expiresAt === 0) await this.#client.set(key, value, 0, now);
    else if (expiresAt > now) await this.#client.set(key, value, expiresAt - now, now);
    else await this.#client.delete(key);
  }

  /** A call's time is over. */
  #stick(queue: KeyQueue<T>, sent: Setting<T> | "delete"): void {
    queue.isStuck = true;
    this.#stuck++;
    this.#calls--;
    this.#health.failed();
    const late = lateError(this.#options.timeoutMs);
    if (sent !== "delete") sent.settle(queue.verdict ?? late);
    // A value that waits behind it cannot be sent in time either.
    this.#supersede(queue, late);
    queue.next = "delete";
    this.#pump();
  }

  #ended(queue: KeyQueue<T>, sent: Setting<T> | "delete", error: ZbudError | null): void {
    const wasStuck = queue.isStuck;
    queue.isStuck = false;
    queue.active = null;
    if (wasStuck) this.#stuck--;
    else this.#calls--;
    if (error === null) this.#health.succeeded();
    else if (!wasStuck) this.#health.failed();
    // What failed may have taken effect all the same, or may have left what was there before.
    if (queue.next === null && queue.verdict === null && error !== null) queue.next = "delete";
    const next = queue.next;
    if (next === null) this.#end(queue);
    if (sent !== "delete") {
      this.#bytes -= sent.bytes;
      if (!wasStuck) sent.settle(queue.verdict ?? error ?? "ok");
    }
    if (next !== null) {
      if (error === null || next !== "delete") this.#enqueue(queue);
      else {
        this.#waiting.push(queue);
        this.#later(this.#health.waitMs);
      }
    }
    this.#pump();
  }

  #end(queue: KeyQueue<T>): void {
    this.#queues.delete(queue.key);
    for (const then of queue.waits) then();
  }
}

function lateError(timeoutMs: number): ZbudError {
  return new ZbudError("ETIMEDOUT", `a write failed: the store did not answer within ${timeoutMs} ms`);
}
