import type { Control } from "./control.ts";
import type { CacheKey, SetOptions } from "./types.ts";

/** One load, and those of this thread who wait for it. */
export interface Flight<V> {
  /** Its name in the table. */
  readonly id: string | number;
  /** Hash of the key. */
  readonly hash: number;
  /** The stamp of invalidations when it began. */
  readonly stamp: number;
  /** The version of the entry that was there when it began, or 0. */
  readonly version: number;
  readonly controller: AbortController;
  /** What the value will be stored with; the loader may change it. */
  readonly options: SetOptions;
  promise: Promise<V>;
  waiting: number;
}

/**
 * Loads under way in this thread. A load that began before its key was set or deleted is not joined any more:
 * who deletes a key and asks for it then must not get what was read before.
 */
export class Flights<V> {
  readonly #control: Control;
  readonly #flights: Map<string | number, Flight<V>> = new Map();

  constructor(control: Control) {
    this.#control = control;
  }

  /** The load of a key that can be joined, or undefined. */
  find(key: CacheKey, tagHash: (tag: string) => number): Flight<V> | undefined {
    if (this.#flights.size === 0) return undefined;
    const flight = this.#flights.get(idOf(key));
    return flight === undefined || this.isOutdated(flight, tagHash) ? undefined : flight;
  }

  start(key: CacheKey, hash: number, version: number, options: SetOptions): Flight<V> {
    const flight: Flight<V> = {
      id: idOf(key),
      hash,
      stamp: this.#control.stamp(),
      version,
      controller: new AbortController(),
      options,
      promise: Promise.resolve() as Promise<never>,
      waiting: 0,
    };
    this.#flights.set(flight.id, flight);
    return flight;
  }

  end(flight: Flight<V>): void {
    if (this.#flights.get(flight.id) === flight) this.#flights.delete(flight.id);
  }

  /** A key was set: its load has nothing to add. */
  drop(key: CacheKey): void {
    if (this.#flights.size > 0) this.#flights.delete(idOf(key));
  }

  /** Whether its key, or one of its tags, was deleted since it began, in any thread. */
  isOutdated(flight: Flight<V>, tagHash: (tag: string) => number): boolean {
    const control = this.#control;
    if (control.invalidatedSince(flight.stamp, flight.hash)) return true;
    const { tags = [] } = flight.options;
    return tags.some((tag) => control.invalidatedSince(flight.stamp, tagHash(tag)));
  }

  /**
   * Waits for a load, unless the signal comes first. When nobody waits any more, the load is told so.
   *
   * @throws the signal's reason, or what the load threw.
   */
  async wait(flight: Flight<V>, signal: AbortSignal | undefined): Promise<V> {
    flight.waiting++;
    try {
      if (signal === undefined) return await flight.promise;
      return await withSignal(flight.promise, signal);
    } finally {
      if (--flight.waiting === 0 && signal?.aborted === true) {
        this.end(flight);
        flight.controller.abort(signal.reason);
      }
    }
  }

  /** Tells all loads that nobody wants them. */
  abort(reason: unknown): void {
    for (const flight of this.#flights.values()) flight.controller.abort(reason);
    this.#flights.clear();
  }
}

/** The promise's result, or a rejection with the signal's reason as soon as it is aborted. */
export async function withSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
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
