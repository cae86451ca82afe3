import { show, ZbudError } from "../base/index.ts";
import type { CacheCore } from "./core.ts";
import { checkLoadOptions } from "./known-options.ts";
import type { Lease } from "./leases.ts";
import { metrics, publish, tracing } from "./metrics.ts";
import { milliseconds, staleMs } from "./options.ts";
import { Counter } from "./shared-state.ts";
import { type Flight, SingleFlight } from "./single-flight.ts";
import type { CacheKey, CacheMetric, GetOrSetOptions, LoadContext, SetOptions } from "./types.ts";
import { noteCall, noteResult, runAs, runIn } from "./wait-for-graph.ts";

type Loader<V> = (key: CacheKey, context: LoadContext<V>) => V | Promise<V>;

/** The part of the cache that loads need. */
interface Target<V> {
  /** What is said to be the cache in what is published. */
  readonly cache: object;
  /** Its core, or throws if it was closed. */
  open(): CacheCore<V>;
  /** As `set`, if the lease still holds. */
  put(key: CacheKey, value: V, options: SetOptions, lease: Lease): unknown;
}

/** `getOrSet`: what is there, or one load for all who ask at a time in this thread. */
export class Loads<V> {
  readonly #target: Target<V>;
  readonly #singleFlight: SingleFlight<V>;

  constructor(target: Target<V>) {
    this.#target = target;
    this.#singleFlight = new SingleFlight(target.open());
  }

  /** A key was set or deleted. */
  drop(key: CacheKey): void {
    this.#singleFlight.drop(key);
  }

  /** The promise's result, or a rejection as soon as the cache is closed. */
  untilClosed<T>(promise: Promise<T>): Promise<T> {
    return this.#singleFlight.untilClosed(promise);
  }

  abort(reason: unknown): void {
    this.#singleFlight.abort(reason);
  }

  getOrSet(key: CacheKey, loader: Loader<V>, options: GetOrSetOptions): Promise<V> {
    const promise = this.#getOrSet(key, loader, options);
    noteCall(promise);
    return promise;
  }

  async #getOrSet(key: CacheKey, loader: Loader<V>, options: GetOrSetOptions): Promise<V> {
    checkArguments(loader, options);
    const { signal, forceRefresh } = options;
    signal?.throwIfAborted();
    const core = this.#target.open();
    const now = core.clock();
    const isFound = core.lookupToLoad(key, now);
    const isOver = isFound && core.isOver(now);
    const there = isFound && !isOver;
    const stale = there && now > core.freshUntil();
    const updatesAge = options.updateAgeOnGet ?? core.settings.updateAgeOnGet;
    // Before the value is read, since a serializer may call the cache.
    if (updatesAge && there && !stale && forceRefresh !== true) core.restart(now);
    const value = isFound ? (isOver ? core.valueIfAny() : core.value()) : undefined;
    if (there && !stale && forceRefresh !== true) {
      this.#publish(key, "hit");
      return value as V;
    }
    const joined = this.#singleFlight.find(key);
    if (joined !== undefined) {
      core.sharedState.count(Counter.loadsShared);
      this.#publish(key, "inflight");
    } else {
      core.checkTags(options.tags);
      this.#publish(key, !there ? "miss" : stale ? "stale" : "refresh");
    }
    const looks = !there && core.tier !== null && forceRefresh !== true;
    const flight =
      joined ??
      this.#start(key, options, (flight) => {
        return this.#load(core, flight, key, loader, value, looks, updatesAge);
      });
    if (stale && forceRefresh !== true) {
      core.sharedState.count(Counter.staleHits);
      // The load goes on behind it, whoever waits for it as well and gives up. If it fails, the stale value stays
      // until its time is over.
      flight.waiting++;
      return value as V;
    }
    return await this.#singleFlight.wait(flight, signal);
  }

  #start(key: CacheKey, options: GetOrSetOptions, load: (flight: Flight<V>) => Promise<V>): Flight<V> {
    const { ttl, staleWhileRevalidate, tags } = options;
    const kept: SetOptions = {};
    if (ttl !== undefined) kept.ttl = ttl;
    if (staleWhileRevalidate !== undefined) kept.staleWhileRevalidate = staleWhileRevalidate;
    if (tags !== undefined) kept.tags = tags;
    const flight = this.#singleFlight.start(key, kept);
    const run = (): Promise<V> => runAs(flight.frame, () => load(flight));
    const promise = tracing.hasSubscribers ? tracing.tracePromise(run, { op: "fetch", key }) : run();
    promise.then(flight.resolve, flight.reject);
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
    updatesAge: boolean,
  ): Promise<V> {
    const { signal } = flight.controller;
    let isBegun = false;
    try {
      if (looks) {
        const found = await core.fetch(key, signal, undefined, updatesAge);
        if (found !== undefined) return found;
        // A tier need not heed the signal. Nobody waits any more, or the cache was closed and has no lease to renew.
        signal.throwIfAborted();
        // What is read from here on is newer than what was changed until now.
        core.leases.renew(flight.lease);
      }
      core.sharedState.count(Counter.loads);
      isBegun = true;
      const result = runIn(flight.context, () =>
        loader(key, { signal, staleValue, options: flight.options }),
      );
      noteResult(flight, result);
      const value = await result;
      // An aborted load was given up, and another one may be under way.
      if (value !== undefined && !signal.aborted) {
        this.#target.put(key, value, flight.options, flight.lease);
      }
      return value;
    } catch (error) {
      if (isBegun) core.sharedState.count(Counter.loadsFailed);
      throw error;
    } finally {
      this.#singleFlight.end(flight);
    }
  }

  #publish(key: CacheKey, fetch: NonNullable<CacheMetric["fetch"]>): void {
    if (metrics.hasSubscribers) publish({ op: "fetch", key, fetch, cache: this.#target.cache });
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
