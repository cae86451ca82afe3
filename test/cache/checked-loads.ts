import assert from "node:assert/strict";
import type { CacheKey, LoadContext } from "../../src/cache/index.ts";
import type { Step } from "./cache-history.ts";
import type { ModelEntry } from "./cache-model.ts";
import { type CheckedCache, type Handle, KEY_OF, optionsOf } from "./checked-cache.ts";
import type { Value } from "./history-values.ts";

/** What a wait must come to. */
type Outcome =
  | { is: "pending" }
  | { is: "value"; id: number }
  | { is: "nothing" }
  | { is: "error"; error?: unknown; code?: string };

/** One call that gave a promise. */
interface Wait {
  readonly what: string;
  readonly controller: AbortController | null;
  flight: Flight | null;
  expected: Outcome;
  found: { value: unknown } | { error: unknown } | null;
}

/** One load, as it must be. */
interface Flight {
  readonly handle: Handle;
  /** The cache whose handle began it: the handle may have been opened anew since. */
  readonly key: number;
  readonly step: Step;
  /** When the loader was called; what is changed later makes it old. */
  began: number;
  readonly waits: Set<Wait>;
  /** It refreshes a value that was served stale. */
  isBackground: boolean;
  isAborted: boolean;
  isClosed: boolean;
  isCalled: boolean;
  /** What it came to in the call that began it. */
  ended: Outcome | null;
  signal: AbortSignal | null;
  resolve: (value: Value | undefined) => void;
  reject: (error: Error) => void;
  isOver: boolean;
}

const KINDS = 16;
const REASON = new Error("the caller had enough");

/** The part of the model that is about `getOrSet` and `getAsync`: who waits for what, and what it must come to. */
export class CheckedLoads {
  readonly #checked: CheckedCache;
  #waits: Wait[] = [];
  /** Loads whose loader did not end yet. */
  #open: Flight[] = [];
  /** Those that may be joined, by handle and key. */
  readonly #joinable: Map<string, Flight> = new Map();

  constructor(checked: CheckedCache) {
    this.#checked = checked;
  }

  /** All waits must be where they are to be. */
  check(): void {
    for (const wait of this.#waits) this.#checkWait(wait);
    this.#waits = this.#waits.filter(({ expected }) => expected.is === "pending");
    for (const { signal, isAborted, isClosed, key } of this.#open) {
      if (signal !== null)
        assert.equal(signal.aborted, isAborted || isClosed, `signal of the load of ${key}`);
    }
  }

  async getAsync(handle: Handle, { key }: Step): Promise<void> {
    const checked = this.#checked;
    const { model } = checked;
    const entry = model.find(key);
    const there = checked.tier === null ? undefined : model.tier.get(key);
    const wait = this.#watch(`getAsync() of key ${key}`, handle.cache.getAsync(KEY_OF[key]));
    checked.lookedUp(entry !== undefined && model.isFresh(entry));
    model.touch(key);
    await checked.settle();
    let given: ModelEntry | undefined = entry;
    if (entry === undefined && there !== undefined) given = this.#cameBack(key, there) ? there : undefined;
    checked.take({});
    const isGiven = given !== undefined && model.isFresh(given);
    wait.expected = isGiven ? { is: "value", id: (given as ModelEntry).id } : { is: "nothing" };
  }

  async getOrSet(handle: Handle, step: Step): Promise<void> {
    const flight = this.#ask(handle, step, step.how % KINDS);
    await this.#checked.settle();
    if (flight !== null) this.#settled(flight);
  }

  /** Ends one of the loads under way. */
  async end({ how, size }: Step): Promise<void> {
    if (this.#open.length === 0) return;
    const flight = this.#open[how % this.#open.length];
    const kind = (how >> 8) % 8;
    const { values } = this.#checked;
    if (kind === 0) {
      const error = new Error("the loader failed");
      flight.reject(error);
      flight.ended = { is: "error", error };
    } else if (kind === 1) {
      flight.resolve(undefined);
      flight.ended = { is: "nothing" };
    } else {
      const id = values.make(size);
      flight.resolve(values.of(id));
      flight.ended = { is: "value", id };
      (flight as { step: Step }).step = { ...flight.step, size };
    }
    await this.#checked.settle();
    this.#settled(flight);
  }

  /** A caller gives up. */
  async abort({ how }: Step): Promise<void> {
    const waits = this.#waits.filter(({ controller }) => controller !== null);
    if (waits.length === 0) return;
    this.#giveUp(waits[how % waits.length]);
    await this.#checked.settle();
  }

  async closeHandle(handle: Handle): Promise<void> {
    for (const flight of this.#open) {
      if (flight.handle !== handle || flight.isClosed) continue;
      flight.isClosed = true;
      for (const wait of flight.waits) wait.expected = { is: "error", code: "ECLOSED" };
      flight.waits.clear();
    }
    for (const [name, flight] of this.#joinable) if (flight.handle === handle) this.#joinable.delete(name);
    handle.cache.close();
    await this.#checked.settle();
    this.check();
  }

  /** Loads that end after all handles were closed. */
  async endAll(): Promise<void> {
    for (const [i, flight] of this.#open.entries()) {
      if (i % 2 === 0) flight.resolve(this.#checked.values.of(1));
      else flight.reject(new Error("late"));
    }
    await this.#checked.settle();
    this.check();
  }

  /** Calls `getOrSet`; the load that this began. */
  #ask(handle: Handle, step: Step, kind: number): Flight | null {
    const checked = this.#checked;
    const { model, counts } = checked;
    const { key } = step;
    const isForced = (step.how >> 4) % 5 === 0;
    const controller = (step.how >> 7) % 3 === 0 || kind === 9 || kind === 10 ? new AbortController() : null;
    const entry = model.find(key);
    if (entry !== undefined) model.touch(key);
    checked.lookedUp(entry !== undefined, entry !== undefined && !model.isFresh(entry) && !isForced);
    const wait = this.#newWait(`getOrSet() of key ${key}`, controller);
    let began: Flight | null = null;
    if (entry !== undefined && model.isFresh(entry) && !isForced) {
      wait.expected = { is: "value", id: entry.id };
    } else {
      const joined = this.#joinableOf(handle, key);
      if (joined !== null) counts.loadsShared++;
      const flight = joined ?? this.#newFlight(handle, step);
      if (joined === null) began = flight;
      if (entry !== undefined && !isForced) {
        flight.isBackground = true;
        wait.expected = { is: "value", id: entry.id };
      } else {
        flight.waits.add(wait);
        wait.flight = flight;
      }
    }
    const loader = (_: CacheKey, context: LoadContext<Value>): Value | Promise<Value> => {
      assert.ok(began !== null && !began.isCalled, `a load of key ${key} that nobody needs`);
      return this.#load(began, wait, kind, context, isForced);
    };
    const options = optionsOf(step);
    const signal = controller === null ? {} : { signal: controller.signal };
    const force = isForced ? { forceRefresh: true } : {};
    this.#follow(wait, handle.cache.getOrSet(KEY_OF[key], loader, { ...options, ...signal, ...force }));
    return began;
  }

  /** What the loader of a load does. */
  #load(
    flight: Flight,
    wait: Wait,
    kind: number,
    context: LoadContext<Value>,
    isForced: boolean,
  ): Value | Promise<Value> {
    const checked = this.#checked;
    const { model, values, counts } = checked;
    const { key, handle, step } = flight;
    flight.isCalled = true;
    flight.signal = context.signal;
    counts.loads++;
    // What came back from the second tier, and is stale, is in memory by now.
    const there = checked.tier === null || isForced ? undefined : model.tier.get(key);
    if (there !== undefined && model.find(key) === undefined) this.#cameBack(key, there);
    flight.began = model.moment;
    const later = (): Promise<Value> => {
      this.#open.push(flight);
      return new Promise((resolve, reject) => {
        flight.resolve = resolve as Flight["resolve"];
        flight.reject = reject;
      });
    };
    switch (kind) {
      case 4: {
        const id = values.make(step.size);
        flight.ended = { is: "value", id };
        return values.of(id);
      }
      case 5: {
        const error = new TypeError("the loader threw");
        flight.ended = { is: "error", error };
        throw error;
      }
      case 6:
        // It changes what it loads: what it gives is older than that.
        if (step.size === 0) checked.clear(handle);
        else if (step.size === 1) checked.delete(handle, key);
        else checked.set(handle, step);
        return later();
      case 7:
        // Somebody that it told of its work asks for the same key.
        this.#ask(handle, { ...step, how: isForced ? 0 : 1 << 4 }, 0);
        return later();
      case 8: {
        // There is a stale value, which the call within would give.
        if (flight.isBackground || (!isForced && model.find(key) !== undefined)) return later();
        const options = { ...optionsOf(step), forceRefresh: isForced };
        checked.lookedUp(model.find(key) !== undefined);
        counts.loadsShared++;
        if (model.find(key) !== undefined) model.touch(key);
        flight.ended = { is: "error", code: "EDEADLK" };
        return handle.cache.getOrSet(KEY_OF[key], () => assert.fail("a load within itself"), options);
      }
      case 9:
        this.#giveUp(wait);
        return later();
      case 10: {
        this.#giveUp(wait);
        const error = new Error("the loader failed, and nobody waits");
        flight.ended = { is: "error", error };
        throw error;
      }
      default:
        return later();
    }
  }

  /** After the promises of a call were settled: what a load came to that it began or ended. */
  #settled(flight: Flight): void {
    const checked = this.#checked;
    const { model, counts } = checked;
    const { key, step } = flight;
    if (!flight.isCalled) {
      // It was in the second tier.
      const there = model.tier.get(key);
      assert.ok(checked.tier !== null && there !== undefined, `key ${key} was not loaded`);
      assert.ok(this.#cameBack(key, there) && model.isFresh(there), `key ${key} came back and is stale`);
      flight.ended = { is: "value", id: there.id };
      this.#end(flight);
      return;
    }
    const { ended } = flight;
    if (ended === null) return;
    if (ended.is === "error") counts.loadsFailed++;
    else if (ended.is === "value" && !flight.isAborted && !flight.isClosed) {
      if (!model.isChangedSince(flight.began, key, step.tags)) checked.wasSet(step, ended.id);
    }
    this.#end(flight);
  }

  #end(flight: Flight): void {
    flight.isOver = true;
    this.#open = this.#open.filter((other) => other !== flight);
    const name = nameOf(flight.handle, flight.key);
    if (this.#joinable.get(name) === flight) this.#joinable.delete(name);
    for (const wait of flight.waits) wait.expected = flight.ended as Outcome;
    flight.waits.clear();
  }

  /** A caller's signal is aborted. */
  #giveUp(wait: Wait): void {
    wait.controller?.abort(REASON);
    const { flight } = wait;
    if (flight === null || !flight.waits.delete(wait)) return;
    wait.expected = { is: "error", error: REASON };
    if (flight.waits.size > 0 || flight.isBackground) return;
    flight.isAborted = true;
    const name = nameOf(flight.handle, flight.key);
    if (this.#joinable.get(name) === flight) this.#joinable.delete(name);
  }

  /**
   * Whether a key came back from the second tier, where the model has it. It may not only if the tier failed once:
   * then it may have lost anything.
   */
  #cameBack(key: number, there: ModelEntry): boolean {
    const checked = this.#checked;
    const { model } = checked;
    if (model.now > there.thereUntil) {
      model.tier.delete(key);
      return false;
    }
    if (model.entries.has(key)) checked.take({ room: true });
    const found = checked.peek(key);
    if (found === undefined && checked.tier?.everFailed === true) {
      // While it fails, nothing can be read that may be there.
      if (checked.tier.mode === "ok") model.tier.delete(key);
      return false;
    }
    checked.take({ room: true });
    checked.values.check(`the second tier at key ${key}`, found, there.id);
    model.insert(key, there);
    return true;
  }

  #joinableOf(handle: Handle, key: number): Flight | null {
    const flight = this.#joinable.get(nameOf(handle, key));
    if (flight === undefined) return null;
    const isOld = this.#checked.model.isChangedSince(flight.began, key, flight.step.tags);
    return isOld ? null : flight;
  }

  #newFlight(handle: Handle, step: Step): Flight {
    const flight: Flight = {
      handle,
      key: step.key,
      step,
      began: this.#checked.model.moment,
      waits: new Set(),
      isBackground: false,
      isAborted: false,
      isClosed: false,
      isCalled: false,
      ended: null,
      signal: null,
      resolve: () => {},
      reject: () => {},
      isOver: false,
    };
    this.#joinable.set(nameOf(handle, step.key), flight);
    return flight;
  }

  #newWait(what: string, controller: AbortController | null): Wait {
    const wait: Wait = { what, controller, flight: null, expected: { is: "pending" }, found: null };
    this.#waits.push(wait);
    return wait;
  }

  #watch(what: string, promise: Promise<unknown>): Wait {
    const wait = this.#newWait(what, null);
    this.#follow(wait, promise);
    return wait;
  }

  #follow(wait: Wait, promise: Promise<unknown>): void {
    promise.then(
      (value) => {
        wait.found = { value };
      },
      (error) => {
        wait.found = { error };
      },
    );
  }

  #checkWait({ what, expected, found }: Wait): void {
    if (found === null) {
      assert.ok(
        expected.is === "pending",
        `${what} does not settle, and should: ${JSON.stringify(expected)}`,
      );
      return;
    }
    if ("error" in found) {
      const { error } = found;
      assert.ok(expected.is === "error", `${what} rejected with ${String(error)}`);
      const isRight =
        expected.code === undefined
          ? error === expected.error
          : (error as { code?: string } | null)?.code === expected.code;
      assert.ok(
        isRight,
        `${what} rejected with ${String(error)}, not ${String(expected.error ?? expected.code)}`,
      );
      return;
    }
    const { value } = found;
    if (expected.is === "value") this.#checked.values.check(what, value, expected.id);
    else
      assert.ok(
        expected.is === "nothing" && value === undefined,
        `${what} gave ${String(value).slice(0, 20)}`,
      );
  }
}

function nameOf(handle: Handle, key: number): string {
  return `${handle.number} ${key}`;
}
