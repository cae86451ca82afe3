import type { FleetLock } from "../backing/index.ts";
import { show, ZbudError } from "../base/index.ts";
import { Look } from "../engine/index.ts";
import type { Coherent } from "./coherent.ts";
import type { CacheCore } from "./core.ts";
import { checkLoadOptions, checkSetOptions } from "./known-options.ts";
import type { Lease } from "./leases.ts";
import { metrics, publish, tracing } from "./metrics.ts";
import { milliseconds, staleMs } from "./options.ts";
import { OtherLoads } from "./other-loads.ts";
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

/** What a call of `getOrSet` found before it began a load. */
interface Asked<V> {
  /** When it looked. */
  readonly now: number;
  readonly staleValue: V | undefined;
  /** Whether the second tier is asked first. */
  readonly looks: boolean;
  readonly updatesAge: boolean;
}

/** What another machine loaded, or the leave to load. */
interface Turn<V> {
  readonly value: V | undefined;
  readonly lock: FleetLock | null;
}

/**
 * `getOrSet`: what is there, or one load for all who ask at a time, in whatever thread. Those of one thread join its load;
 * a thread that finds the key being loaded in another one waits for that, and looks again.
 */
export class Loads<V> {
  readonly #target: Target<V>;
  readonly #singleFlight: SingleFlight<V>;
  readonly #others: OtherLoads;

  constructor(target: Target<V>) {
    const core = target.open();
    this.#target = target;
    this.#singleFlight = new SingleFlight(core);
    this.#others = new OtherLoads(core.leases, core.lockTimeout);
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
      if (forceRefresh === true) this.#singleFlight.force(joined);
      core.sharedState.count(Counter.loadsShared);
      this.#publish(key, "inflight");
    } else {
      core.checkTags(options.tags);
      this.#publish(key, !there ? "miss" : stale ? "stale" : "refresh");
    }
    const looks = !there && core.tier !== null && forceRefresh !== true;
    const asked: Asked<V> = { now, staleValue: value, looks, updatesAge };
    const flight = joined ?? this.#start(key, options, (flight) => this.#load(core, flight, loader, asked));
    if (stale && forceRefresh !== true) {
      core.sharedState.count(Counter.staleHits);
      // The load goes on behind it, whoever waits for it as well and gives up. If it fails, the stale value stays
      // until its time is over.
      flight.isRefresh = true;
      return value as V;
    }
    return await this.#singleFlight.wait(flight, signal);
  }

  #start(key: CacheKey, options: GetOrSetOptions, load: (flight: Flight<V>) => Promise<V>): Flight<V> {
    const { ttl, staleWhileRevalidate, tags, forceRefresh } = options;
    const kept: SetOptions = {};
    if (ttl !== undefined) kept.ttl = ttl;
    if (staleWhileRevalidate !== undefined) kept.staleWhileRevalidate = staleWhileRevalidate;
    if (tags !== undefined) kept.tags = tags;
    const flight = this.#singleFlight.start(key, kept, forceRefresh === true);
    const run = (): Promise<V> => runAs(flight.frame, () => load(flight));
    const promise = tracing.hasSubscribers ? tracing.tracePromise(run, { op: "fetch", key }) : run();
    promise.then(flight.resolve, flight.reject);
    return flight;
  }

  async #load(core: CacheCore<V>, flight: Flight<V>, loader: Loader<V>, asked: Asked<V>): Promise<V> {
    const { signal } = flight.controller;
    const { key } = flight;
    const { now, staleValue } = asked;
    let isBegun = false;
    let isGivenUp = false;
    let lock: FleetLock | null = null;
    try {
      // Not awaited unless it must wait: a loader is called within the call of `getOrSet`, if it can be.
      if (flight.other !== null) await this.#waitForOthers(flight);
      // What another thread loaded since this one looked.
      const loaded = flight.isForced ? undefined : storedSince(core, key, now);
      if (loaded !== undefined) {
        core.sharedState.count(Counter.loadsShared);
        return loaded;
      }
      const { lease } = flight as { lease: Lease };
      if (asked.looks && !flight.isForced) {
        const ready = core.coherent?.ready ?? null;
        if (ready !== null) await ready;
        const found = await this.#fetch(core, flight, asked);
        if (found !== undefined) return found;
      }
      if (core.coherent !== null && !flight.isForced) {
        const turn = await this.#turn(core, core.coherent, flight, asked);
        if (turn.value !== undefined) return turn.value;
        lock = turn.lock;
      } else if (core.coherent !== null) {
        // What is loaded anew is stored whoever loads it as well.
        core.key.encode(key);
        lock = (await core.coherent.lock(core.key, true)) as FleetLock | null;
      }
      core.sharedState.count(Counter.loads);
      isBegun = true;
      // Frozen: what a loader writes beside `options`, or in its place, would have no effect.
      const context = Object.freeze({ signal, staleValue, options: flight.options });
      const result = runIn(flight.context, () => loader(key, context));
      noteResult(flight, result);
      const value = await result;
      checkSetOptions(flight.options);
      // An aborted load was given up, and another one may be under way.
      if (value !== undefined && !signal.aborted) {
        isGivenUp = this.#target.put(key, value, flight.options, lease) === null;
      }
      return value;
    } catch (error) {
      if (isBegun) core.sharedState.count(Counter.loadsFailed);
      throw error;
    } finally {
      lock?.end();
      this.#singleFlight.end(flight, isGivenUp);
    }
  }

  /** What the second tier has of a flight's key; if it has nothing, what is read from here on counts as newer. */
  async #fetch(
    core: CacheCore<V>,
    { key, controller, options, lease }: Flight<V>,
    { updatesAge }: Asked<V>,
    takesStale?: boolean,
  ): Promise<V | undefined> {
    const { signal } = controller;
    const found = await core.fetch(key, signal, takesStale, updatesAge, options.tags);
    if (found !== undefined) return found;
    // A tier need not heed the signal. Nobody waits any more, or the cache was closed and has no lease to renew.
    signal.throwIfAborted();
    core.leases.renew(lease as Lease);
    return undefined;
  }

  /** Waits until it is this machine's turn to load a key, or another one has loaded it. */
  async #turn(core: CacheCore<V>, coherent: Coherent, flight: Flight<V>, asked: Asked<V>): Promise<Turn<V>> {
    for (;;) {
      core.key.encode(flight.key);
      const asking = coherent.lock(core.key);
      // Behind the lock on the same connection: whoever had it before has written by then.
      const value = await this.#fetch(core, flight, asked, false).catch(async (error) => {
        endLock(await asking);
        throw error;
      });
      const lock = await asking;
      if (value !== undefined) {
        endLock(lock);
        core.sharedState.count(Counter.loadsShared);
        return { value, lock: null };
      }
      if (lock !== "busy") return { value, lock };
      await coherent.untilChanged(flight.lease as Lease, flight.controller.signal);
    }
  }

  /**
   * Waits as long as other threads load the key. After a load that came to its end there is no further wait, and if it
   * stored nothing, each of those who waited loads: they would else do so one after the other.
   *
   * @throws the signal's reason.
   */
  async #waitForOthers(flight: Flight<V>): Promise<void> {
    while (flight.other !== null) {
      const hasEnded = await this.#others.hasEnded(flight.other, flight);
      flight.controller.signal.throwIfAborted();
      this.#singleFlight.takeLease(flight, !hasEnded);
    }
  }

  #publish(key: CacheKey, fetch: NonNullable<CacheMetric["fetch"]>): void {
    if (metrics.hasSubscribers) publish({ op: "fetch", key, fetch, cache: this.#target.cache });
  }
}

function endLock(lock: FleetLock | "busy" | null): void {
  if (lock !== null && lock !== "busy") lock.end();
}

/** The value of a key that was put after `since`, or was fresh then; it counts as no read. */
function storedSince<V>(core: CacheCore<V>, key: CacheKey, since: number): V | undefined {
  // At no time anything has expired, so nothing is removed: what is over stays there for the loader.
  const there = core.lookup(key, Number.NEGATIVE_INFINITY, false, Look.uncounted);
  return there && since <= core.freshUntil() ? core.value() : undefined;
}

function checkArguments(loader: unknown, options: GetOrSetOptions): void {
  if (typeof loader !== "function") {
    throw new ZbudError("EINVAL", `loader must be a function, not ${show(loader)}`);
  }
  checkLoadOptions(options);
  if (options.ttl !== undefined) milliseconds("ttl", options.ttl);
  if (options.staleWhileRevalidate !== undefined) staleMs(options.staleWhileRevalidate);
}
