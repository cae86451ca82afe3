import { withSignal } from "../base/index.ts";
import type { CacheCore } from "./core.ts";
import type { Lease, OtherLoad } from "./leases.ts";
import type { Waiter } from "./other-loads.ts";
import type { CacheKey, SetOptions } from "./types.ts";
import { type Context, callingLoad, newFrame, waitIn } from "./wait-for-graph.ts";
import type { WaitNode } from "./wait-node.ts";

/** One load, and those of this thread who wait for it. */
export interface Flight<V> extends WaitNode, Waiter {
  /** Its name in the table. */
  readonly id: string | number;
  /** By which its result may be stored; null until it is this thread that loads. */
  lease: Lease | null;
  /** What it waits for instead: the load of the key in another thread. */
  other: OtherLoad | null;
  /** What its loader runs in. */
  readonly context: Context;
  /** What the value will be stored with; the loader may change it. */
  readonly options: SetOptions;
  readonly promise: Promise<V>;
  readonly resolve: (value: V | PromiseLike<V>) => void;
  readonly reject: (reason: unknown) => void;
  waiting: number;
  /** It refreshes a stale value, and goes on if nobody waits for it. */
  isRefresh: boolean;
  /** It is to load whatever others load. */
  isForced: boolean;
}

/**
 * Loads under way in this thread. A load that began before its key was set or deleted is not joined any more:
 * who deletes a key and asks for it then must not get what was read before. One that waits for another thread has read
 * nothing yet, so it can be joined, whatever is changed.
 */
export class SingleFlight<V> {
  readonly #core: CacheCore<V>;
  /** Those that can be joined. */
  readonly #flights: Map<string | number, Flight<V>> = new Map();
  /** What `close()` ends: loads, those that cannot be joined included, and other waits. */
  readonly #open: Set<Flight<V> | Pick<Flight<V>, "reject">> = new Set();

  constructor(core: CacheCore<V>) {
    this.#core = core;
  }

  /** The load of a key that can be joined, or undefined. */
  find(key: CacheKey): Flight<V> | undefined {
    if (this.#flights.size === 0) return undefined;
    const flight = this.#flights.get(idOf(key));
    if (flight === undefined) return undefined;
    const { lease, options } = flight;
    return lease !== null && this.#core.isOutdated(lease, options.tags) ? undefined : flight;
  }

  start(key: CacheKey, options: SetOptions, isForced: boolean): Flight<V> {
    const { promise, resolve, reject } = Promise.withResolvers<V>();
    const controller = new AbortController();
    const context: Context = { load: null };
    const flight: Flight<V> = {
      key,
      frame: newFrame(),
      waits: new Set(),
      id: idOf(key),
      lease: null,
      other: null,
      controller,
      context,
      options,
      promise,
      resolve,
      reject,
      waiting: 0,
      isRefresh: false,
      isForced,
      pause: null,
    };
    context.load = flight;
    this.takeLease(flight, true);
    // Those who wait are told. If nobody does, a load that fails is no fault of the program.
    promise.catch(() => undefined);
    this.#flights.set(flight.id, flight);
    this.#open.add(flight);
    return flight;
  }

  /**
   * Has a load begin, or gives it what to wait for.
   *
   * @param yields - whether it waits for a load of another thread, unless it was forced.
   */
  takeLease(flight: Flight<V>, yields: boolean): void {
    const taken = this.#core.takeLease(flight.key, yields && !flight.isForced);
    const isOther = "member" in taken;
    flight.other = isOther ? taken : null;
    flight.lease = isOther ? null : taken;
  }

  /** Has one that waits for another thread load itself. */
  force(flight: Flight<V>): void {
    flight.isForced = true;
    flight.pause?.end();
  }

  /**
   * It is not joined from here on, nor stored.
   *
   * @param isGivenUp - other threads that wait for it are to load instead.
   */
  end(flight: Flight<V>, isGivenUp: boolean): void {
    if (this.#flights.get(flight.id) === flight) this.#flights.delete(flight.id);
    this.#open.delete(flight);
    flight.context.load = null;
    if (flight.lease !== null) this.#core.leases.end(flight.lease, isGivenUp);
  }

  /** A key was set or deleted: what is being loaded is not joined any more. */
  drop(key: CacheKey): void {
    if (this.#flights.size === 0) return;
    const id = idOf(key);
    if (this.#flights.get(id)?.lease !== null) this.#flights.delete(id);
  }

  /**
   * Waits for a load, unless the signal comes first. When nobody waits any more, the load is told so.
   *
   * @throws the signal's reason, or what the load threw.
   */
  async wait(flight: Flight<V>, signal: AbortSignal | undefined): Promise<V> {
    const by = callingLoad();
    flight.waiting++;
    flight.pause?.timer.ref?.();
    try {
      const promise = by === null ? flight.promise : waitIn(by, flight, flight.promise, signal);
      return await withSignal(promise, signal);
    } finally {
      if (--flight.waiting === 0 && signal?.aborted === true && !flight.isRefresh) {
        this.end(flight, true);
        abort(flight, signal.reason);
      }
    }
  }

  /** The promise's result, or a rejection as soon as the cache is closed. */
  untilClosed<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait = { reject };
      this.#open.add(wait);
      promise.then(
        (result) => {
          this.#open.delete(wait);
          resolve(result);
        },
        (error: unknown) => {
          this.#open.delete(wait);
          reject(error as Error);
        },
      );
    });
  }

  /** Ends all loads, and the wait for them. */
  abort(reason: unknown): void {
    const open = [...this.#open];
    this.#flights.clear();
    this.#open.clear();
    for (const { reject } of open) reject(reason);
    for (const one of open) if ("controller" in one) abort(one, reason);
  }
}

function abort<V>({ controller, pause }: Flight<V>, reason: unknown): void {
  controller.abort(reason);
  pause?.end();
}

/** Keys that are equal have equal names, in a Map; those of different kinds differ. */
function idOf(key: CacheKey): string | number {
  if (typeof key === "number") return key === 0 ? 0 : key;
  if (typeof key === "string") return `s${key}`;
  let id = "b";
  for (const byte of key) id += String.fromCharCode(byte);
  return id;
}
