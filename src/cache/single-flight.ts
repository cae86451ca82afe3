import { withSignal } from "../base/index.ts";
import type { CacheCore } from "./core.ts";
import type { Lease } from "./leases.ts";
import type { CacheKey, SetOptions } from "./types.ts";
import { type Context, callingLoad, newFrame, waitIn } from "./wait-for-graph.ts";
import type { WaitNode } from "./wait-node.ts";

/** One load, and those of this thread who wait for it. */
export interface Flight<V> extends WaitNode {
  /** Its name in the table. */
  readonly id: string | number;
  /** By which its result may be stored. */
  readonly lease: Lease;
  readonly controller: AbortController;
  /** What its loader runs in. */
  readonly context: Context;
  /** What the value will be stored with; the loader may change it. */
  readonly options: SetOptions;
  readonly promise: Promise<V>;
  readonly resolve: (value: V | PromiseLike<V>) => void;
  readonly reject: (reason: unknown) => void;
  /** Calls that wait, and one more if it refreshes a stale value. */
  waiting: number;
}

/**
 * Loads under way in this thread. A load that began before its key was set or deleted is not joined any more:
 * who deletes a key and asks for it then must not get what was read before.
 */
export class SingleFlight<V> {
  readonly #core: CacheCore<V>;
  /** Those that can be joined. */
  readonly #flights: Map<string | number, Flight<V>> = new Map();
  /** What `close()` ends: loads, those that cannot be joined included, and other waits. */
  readonly #open: Set<Pick<Flight<V>, "reject"> & Partial<Pick<Flight<V>, "controller">>> = new Set();

  constructor(core: CacheCore<V>) {
    this.#core = core;
  }

  /** The load of a key that can be joined, or undefined. */
  find(key: CacheKey): Flight<V> | undefined {
    if (this.#flights.size === 0) return undefined;
    const flight = this.#flights.get(idOf(key));
    if (flight === undefined || this.#core.isOutdated(flight.lease, flight.options.tags)) return undefined;
    return flight;
  }

  start(key: CacheKey, options: SetOptions): Flight<V> {
    const { promise, resolve, reject } = Promise.withResolvers<V>();
    const controller = new AbortController();
    const context: Context = { load: null };
    const flight: Flight<V> = {
      key,
      frame: newFrame(),
      waits: new Set(),
      id: idOf(key),
      lease: this.#core.takeLease(key),
      controller,
      context,
      options,
      promise,
      resolve,
      reject,
      waiting: 0,
    };
    context.load = flight;
    // Those who wait are told. If nobody does, a load that fails is no fault of the program.
    promise.catch(() => undefined);
    this.#flights.set(flight.id, flight);
    this.#open.add(flight);
    return flight;
  }

  /** It is not joined from here on, nor stored. */
  end(flight: Flight<V>): void {
    if (this.#flights.get(flight.id) === flight) this.#flights.delete(flight.id);
    this.#open.delete(flight);
    flight.context.load = null;
    this.#core.leases.end(flight.lease);
  }

  /** A key was set: its load has nothing to add. */
  drop(key: CacheKey): void {
    if (this.#flights.size > 0) this.#flights.delete(idOf(key));
  }

  /**
   * Waits for a load, unless the signal comes first. When nobody waits any more, the load is told so.
   *
   * @throws the signal's reason, or what the load threw.
   */
  async wait(flight: Flight<V>, signal: AbortSignal | undefined): Promise<V> {
    const by = callingLoad();
    flight.waiting++;
    try {
      const promise = by === null ? flight.promise : waitIn(by, flight, flight.promise, signal);
      return await withSignal(promise, signal);
    } finally {
      if (--flight.waiting === 0 && signal?.aborted === true) {
        this.end(flight);
        flight.controller.abort(signal.reason);
      }
    }
  }

  /** The promise's result, or a rejection as soon as the cache is closed. */
  async untilClosed<T>(promise: Promise<T>): Promise<T> {
    const { promise: closed, reject } = Promise.withResolvers<never>();
    const wait = { reject };
    this.#open.add(wait);
    try {
      return await Promise.race([promise, closed]);
    } finally {
      this.#open.delete(wait);
    }
  }

  /** Ends all loads, and the wait for them. */
  abort(reason: unknown): void {
    const open = [...this.#open];
    this.#flights.clear();
    this.#open.clear();
    for (const { reject } of open) reject(reason);
    for (const { controller } of open) controller?.abort(reason);
  }
}

/** Keys that are equal have equal names, in a Map; those of different kinds differ. */
function idOf(key: CacheKey): string | number {
  if (typeof key === "number") return key === 0 ? 0 : key;
  if (typeof key === "string") return `s${key}`;
  let id = "b";
  for (const byte of key) id += String.fromCharCode(byte);
  return id;
}
