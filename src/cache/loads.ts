import { show, ZbudError } from "../base/index.ts";
import type { CacheCore } from "./core.ts";
import { type Flight, Flights } from "./flights.ts";
import { metrics, publish, tracing } from "./metrics.ts";
import { checkLoadOptions } from "./option-names.ts";
import { milliseconds, staleMs } from "./options.ts";
import type { CacheKey, CacheMetric, GetOrSetOptions, LoadContext, SetOptions } from "./types.ts";

type Loader<V> = (key: CacheKey, context: LoadContext<V>) => V | Promise<V>;

/** The part of the cache that loads need: what its own methods do. */
interface Target<V> {
  set(key: CacheKey, value: V, options: SetOptions): unknown;
  delete(key: CacheKey): boolean;
}

/** `getOrSet`: what is there, or one load for all who ask at a time in this thread. */
export class Loads<V> {
  readonly #open: () => CacheCore<V>;
  readonly #target: Target<V>;
  readonly #flights: Flights<V>;
  #begun = 0;
  #failed = 0;
  #joined = 0;

  /** @param open - gives the cache's core, or throws if it was closed. */
  constructor(open: () => CacheCore<V>, target: Target<V>) {
    this.#open = open;
    this.#target = target;
    this.#flights = new Flights(open().control);
  }

  get counts(): { loads: number; loadsFailed: number; loadsShared: number } {
    return { loads: this.#begun, loadsFailed: this.#failed, loadsShared: this.#joined };
  }

  /** A key was set or deleted. */
  drop(key: CacheKey): void {
    this.#flights.drop(key);
  }

  abort(reason: unknown): void {
    this.#flights.abort(reason);
  }

  async getOrSet(key: CacheKey, loader: Loader<V>, options: GetOrSetOptions): Promise<V> {
    checkArguments(loader, options);
    const { signal } = options;
    signal?.throwIfAborted();
    const core = this.#open();
    const now = core.clock();
    const there = core.lookup(key, now, true);
    const version = there ? core.engine.found.version : 0;
    const stale = there && now > core.freshUntil();
    const value = there ? core.value() : undefined;
    if (there && !stale && options.forceRefresh !== true) {
      this.#publish(key, "hit");
      return value as V;
    }
    const joined = this.#flights.find(key, (tag) => core.tagHash(tag));
    if (joined !== undefined) {
      this.#joined++;
      this.#publish(key, "inflight");
    } else {
      this.#publish(key, !there ? "miss" : stale ? "stale" : "refresh");
    }
    const looks = !there && core.tier !== null && options.forceRefresh !== true;
    const flight =
      joined ??
      this.#start(core, key, options, version, (flight) => {
        return this.#load(core, flight, key, loader, value, looks);
      });
    if (stale && options.forceRefresh !== true) {
      // The load goes on behind it. If it fails, the stale value stays until its time is over.
      flight.promise.catch(() => undefined);
      return value as V;
    }
    return await this.#flights.wait(flight, signal);
  }

  #start(
    core: CacheCore<V>,
    key: CacheKey,
    options: GetOrSetOptions,
    version: number,
    load: (flight: Flight<V>) => Promise<V>,
  ): Flight<V> {
    const { ttl, staleWhileRevalidate, tags } = options;
    const kept: SetOptions = {};
    if (ttl !== undefined) kept.ttl = ttl;
    if (staleWhileRevalidate !== undefined) kept.staleWhileRevalidate = staleWhileRevalidate;
    if (tags !== undefined) kept.tags = tags;
    // A key that is too long has no hash. It is not stored either.
    const hash = core.key.encode(key) ? core.key.k0 : 0;
    const flight = this.#flights.start(key, hash, version, kept);
    const run = (): Promise<V> => load(flight);
    flight.promise = tracing.hasSubscribers ? tracing.tracePromise(run, { op: "fetch", key }) : run();
    return flight;
  }

  /** @param looks - whether the second tier is asked first. */
  async #load(
    core: CacheCore<V>,
    flight: Flight<V>,
    key: CacheKey,
    loader: Loader<V>,
    staleValue: V | undefined,
    looks: boolean,
  ): Promise<V> {
    const { signal } = flight.controller;
    try {
      if (looks) {
        const found = await core.fetch(key, signal);
        if (found !== undefined) return found;
      }
      this.#begun++;
      const value = await loader(key, { signal, staleValue, options: flight.options });
      // An aborted load was given up, and another one may be under way.
      if (value !== undefined && !signal.aborted) this.#store(core, flight, key, value);
      return value;
    } catch (error) {
      this.#failed++;
      throw error;
    } finally {
      this.#flights.end(flight);
    }
  }

  /** Stores a result, unless the key was set or deleted since the load began. */
  #store(core: CacheCore<V>, flight: Flight<V>, key: CacheKey, value: V): void {
    const tagHash = (tag: string): number => core.tagHash(tag);
    if (this.#flights.isOutdated(flight, tagHash)) return;
    const version = core.contains(key, core.clock()) ? core.engine.found.version : 0;
    if (version !== 0 && version !== flight.version) return;
    this.#target.set(key, value, flight.options);
    // Another thread may have deleted it between the look and the set.
    if (this.#flights.isOutdated(flight, tagHash)) this.#target.delete(key);
  }

  #publish(key: CacheKey, fetch: NonNullable<CacheMetric["fetch"]>): void {
    if (metrics.hasSubscribers) publish({ op: "fetch", key, fetch, cache: this.#target });
  }
}

function checkArguments(loader: unknown, options: GetOrSetOptions): void {
  if (typeof loader !== "function") {
    throw new ZbudError("EINVAL", `loader must be a function, not ${show(loader)}`);
  }
  checkLoadOptions(options);
  if (options.ttl !== undefined) milliseconds("ttl", options.ttl);
  if (options.staleWhileRevalidate !== undefined) staleMs(options.staleWhileRevalidate);
}
