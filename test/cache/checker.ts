import assert from "node:assert/strict";
import type { RemovalReason } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { isCode } from "../support/is-code.ts";
import { type History, type Step, TAGS } from "./cache-history.ts";
import type { ModelEntry } from "./cache-model.ts";
import { CheckedCache, type Handle, KEY_OF, numberOf } from "./checked-cache.ts";
import { CheckedFiles } from "./checked-files.ts";
import { CheckedLoads } from "./checked-loads.ts";
import { type RemoteCache, RemoteThread, remoteCache } from "./remote-cache.ts";

/** How often everything is checked that takes long. */
const BOOKS_EVERY = 24;

/** Counters of `stats()`, by the reasons that they count. */
const COUNTER_OF: Record<RemovalReason, string> = {
  evicted: "evictions",
  expired: "expirations",
  replaced: "replacements",
  deleted: "deletions",
  cleared: "clearDeletions",
};

/** What a history did not do as the model says. */
export class HistoryFailure extends Error {
  readonly step: number;

  constructor(step: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.step = step;
  }
}

let thread: RemoteThread | null = null;

/** Ends the thread that histories used. */
export async function closeThread(): Promise<void> {
  await thread?.close();
  thread = null;
}

/** Runs one history with a cache, and with the model of it. */
class Checker {
  readonly #steps: readonly Step[];
  readonly #checked: CheckedCache;
  readonly #loads: CheckedLoads;
  readonly #files: CheckedFiles | null;
  readonly #remote: RemoteCache | null = null;
  #statsBefore: Record<string, number> = {};

  constructor({ world, steps }: History) {
    const checked = new CheckedCache(world);
    this.#steps = steps;
    this.#checked = checked;
    this.#loads = new CheckedLoads(checked);
    this.#files = world.files === true ? new CheckedFiles(checked) : null;
    if (world.thread !== true) return;
    thread ??= new RemoteThread(new URL("remote-cache-worker.ts", import.meta.url));
    this.#remote = remoteCache(thread, checked.handles[0].cache.share(), checked.clock, checked.onRemoved);
  }

  /** @throws {HistoryFailure} at the first step that does not do what the model says. */
  async run(): Promise<void> {
    const process = globalThis.process as NodeJS.Process | undefined;
    const note = (reason: unknown): void => void this.#checked.unhandled.push(reason);
    process?.on("unhandledRejection", note);
    const steps = this.#steps;
    let at = 0;
    try {
      for (; at < steps.length; at++) {
        await this.#step(steps[at]);
        this.#check(at % BOOKS_EVERY === 0);
      }
      await this.#end();
    } catch (error) {
      throw new HistoryFailure(Math.min(at, steps.length - 1), error);
    } finally {
      process?.off("unhandledRejection", note);
      await this.#files?.close();
      for (const { cache } of this.#checked.handles) cache.close();
      this.#remote?.close();
    }
  }

  async #step(step: Step): Promise<void> {
    const checked = this.#checked;
    const { handles } = checked;
    const handle = handles[step.at] ?? handles[0];
    // Another thread does what is done at once.
    const sync =
      step.at >= handles.length && this.#remote !== null ? (this.#remote as unknown as Handle) : handle;
    switch (step.do) {
      case "getAsync":
        await this.#loads.getAsync(handle, step);
        break;
      case "getOrSet":
        await this.#loads.getOrSet(handle, step);
        break;
      case "endLoad":
        await this.#loads.end(step);
        break;
      case "abortWait":
        await this.#loads.abort(step);
        break;
      case "reopen":
        await this.#reopen(handle);
        break;
      case "save":
      case "load":
      case "io":
        await this.#files?.step(handle, step);
        break;
      default:
        this.#stepAtOnce(sync, handle, step);
    }
    // An evicted entry is in the second tier once it was written.
    if (checked.tier !== null) await checked.settle();
  }

  /** @param sync - does what another thread can do as well. */
  #stepAtOnce(sync: Handle, handle: Handle, step: Step): void {
    const checked = this.#checked;
    const { model } = checked;
    const { key, how } = step;
    switch (step.do) {
      case "set":
        checked.set(sync, step);
        break;
      case "get":
      case "peek":
        this.#read(sync, step);
        break;
      case "getInto":
      case "withValue":
        this.#readBytes(handle, step);
        break;
      case "has": {
        const allowStale = how % 2 === 0;
        const entry = allowStale ? model.find(key) : this.#fresh(key);
        this.#expect("has()", sync.cache.has(KEY_OF[key], { allowStale }), entry !== undefined);
        break;
      }
      case "info":
        this.#info(sync, key);
        break;
      case "touch":
        this.#touch(sync, step);
        break;
      case "pop":
        checked.pop(sync);
        break;
      case "remainingTtl": {
        const left = (this.#fresh(key)?.freshUntil ?? model.now) - model.now;
        this.#expect("getRemainingTTL()", sync.cache.getRemainingTTL(KEY_OF[key]), left);
        break;
      }
      case "delete":
        checked.delete(sync, key);
        break;
      case "setUndefined":
        checked.delete(handle, key, 1);
        break;
      case "deleteByTag":
        checked.deleteByTag(sync, how % TAGS.length);
        break;
      case "clear":
        checked.clear(sync);
        break;
      case "purgeStale": {
        const due = model.due;
        this.#expect("purgeStale()", sync.cache.purgeStale(), due > 0);
        assert.equal(model.due, 0, "expired entries are there after purgeStale()");
        break;
      }
      case "walk":
        this.#walk(handle);
        break;
      case "wait":
        model.now += 1 + (how % 30);
        break;
      case "tier":
        checked.breakTier(how % 8 === 0 ? "closed" : how % 8 < 4 ? "fails" : "ok");
        break;
    }
  }

  /** An entry that is there and fresh. */
  #fresh(key: number): ModelEntry | undefined {
    const { model } = this.#checked;
    const entry = model.find(key);
    return entry !== undefined && model.isFresh(entry) ? entry : undefined;
  }

  #expect(what: string, found: unknown, expected: unknown): void {
    this.#checked.take({});
    assert.equal(found, expected, what);
  }

  #read({ cache }: Handle, step: Step): void {
    const { model } = this.#checked;
    const { key } = step;
    const allowStale = step.how % 2 === 0;
    const updates = step.do === "get" && step.how % 3 === 0 && this.#checked.mayRestart;
    const options = { allowStale, ...(updates ? { updateAgeOnGet: true } : {}) };
    const found = cache[step.do as "get" | "peek"](KEY_OF[key], options);
    const entry = allowStale ? model.find(key) : this.#fresh(key);
    const isStale = entry !== undefined && !model.isFresh(entry);
    if (step.do === "get") this.#checked.lookedUp(entry !== undefined, isStale);
    this.#wasRead(key, step.do === "get");
    if (updates) model.restart(key);
    if (entry === undefined) assert.equal(found, undefined, `${step.do}() of key ${key}`);
    else this.#checked.values.check(`${step.do}() of key ${key}`, found, entry.id);
  }

  #info({ cache }: Handle, key: number): void {
    const { model } = this.#checked;
    const entry = model.find(key);
    const info = cache.info(KEY_OF[key]);
    this.#expect("info()", info !== undefined, entry !== undefined);
    if (entry === undefined) return;
    const times = entry.ttl === 0 ? [] : [entry.freshUntil - model.now, model.now];
    assert.deepEqual([info?.ttl, info?.start].slice(0, times.length), times, `times of key ${key}`);
    assert.equal("start" in (info ?? {}), times.length > 0);
  }

  #touch({ cache }: Handle, { key, ttl, how }: Step): void {
    const { model, mayRestart } = this.#checked;
    if (!mayRestart) return;
    const given = how % 2 === 0 ? [] : [ttl];
    const entry = this.#fresh(key);
    this.#expect("touch()", cache.touch(KEY_OF[key], ...given), entry !== undefined);
    this.#wasRead(key, true);
    model.restart(key, ...given);
  }

  #readBytes({ cache }: Handle, step: Step): void {
    const { key } = step;
    const entry = this.#fresh(key);
    this.#checked.lookedUp(entry !== undefined);
    let found: Uint8Array | undefined;
    if (step.do === "withValue") found = cache.withValue(KEY_OF[key], (view) => view.slice());
    else {
      const room = new Uint8Array(step.how % 2 === 0 ? 2 ** 18 : 100);
      let length: number | undefined;
      try {
        length = cache.getInto(KEY_OF[key], room);
      } catch (error) {
        this.#wasRead(key, true);
        assert.ok(isCode("EINVAL", "getInto")(error));
        assert.ok(entry !== undefined, `getInto() of key ${key}`);
        return;
      }
      if (length !== undefined) found = room.subarray(0, length);
    }
    this.#wasRead(key, true);
    const value = entry === undefined ? undefined : this.#checked.values.of(entry.id);
    if (value instanceof Uint8Array)
      this.#checked.values.check(`${step.do}() of key ${key}`, found, entry?.id ?? 0);
    // A lone surrogate is kept as 16-bit units.
    else if (value?.isWellFormed()) assert.deepEqual(found, new TextEncoder().encode(value));
    else assert.equal(found === undefined, value === undefined);
  }

  #wasRead(key: number, touches: boolean): void {
    this.#checked.take({});
    const { model } = this.#checked;
    assert.ok(model.entries.has(key) === (model.find(key) !== undefined), `key ${key} is over and was left`);
    if (touches) model.touch(key);
  }

  #walk({ cache }: Handle): void {
    const { model } = this.#checked;
    const keys = [...cache.keys()].map((key) => numberOf(key));
    const expected = model.keys();
    const isOrdered = (this.#checked.world.options.shards ?? 1) === 1;
    assert.deepEqual(isOrdered ? keys : keys.sort(), isOrdered ? expected : expected.sort(), "keys()");
    for (const [key, value] of cache) {
      const number = numberOf(key);
      this.#checked.values.check(`the iteration at key ${number}`, value, model.entries.get(number)?.id ?? 0);
    }
    this.#checked.take({});
  }

  async #reopen(handle: Handle): Promise<void> {
    await this.#files?.finish();
    await this.#loads.closeHandle(handle);
    assert.throws(() => handle.cache.get(KEY_OF[0]), { code: "ECLOSED" });
    const { tier } = this.#checked;
    const isClosed = tier?.mode === "closed";
    if (tier !== null && isClosed) {
      assert.throws(() => this.#checked.open(handle.number), { code: "ECLOSED" });
      tier.mode = "ok";
    }
    handle.cache = this.#checked.open(handle.number);
    if (tier !== null && isClosed) tier.mode = "closed";
  }

  async #end(): Promise<void> {
    await this.#files?.finish();
    this.#check(true);
    for (const handle of this.#checked.handles) await this.#loads.closeHandle(handle);
    await this.#loads.endAll();
  }

  #check(all: boolean): void {
    const checked = this.#checked;
    const { model, counts } = checked;
    const { cache } = checked.handles[0];
    checked.take({});
    this.#loads.check();
    assert.equal(cache.size, model.entries.size, "size");
    if (!all) return;
    verify(cache);
    const stats = cache.stats() as unknown as Record<string, number>;
    for (const [reason, counter] of Object.entries(COUNTER_OF)) {
      assert.equal(stats[counter], model.removed[reason as RemovalReason], counter);
    }
    assert.equal(stats.rejectTooBig, counts.tooBig, "rejectTooBig");
    assert.equal(stats.rejectNoMemory, counts.noMemory, "rejectNoMemory");
    if (this.#files === null) assert.equal(stats.sets, counts.sets, "sets");
    for (const name of ["hits", "misses", "staleHits", "loads", "loadsFailed", "loadsShared"] as const) {
      assert.equal(stats[name], counts[name], name);
    }
    assert.ok(stats.bytesUsed <= stats.bytesReserved, `${stats.bytesUsed} of ${stats.bytesReserved} bytes`);
    for (const [name, before] of Object.entries(this.#statsBefore)) {
      if (/^(entries|originalBytes|storedBytes)$/.test(name)) continue;
      assert.ok(stats[name] >= before, `${name} fell from ${before} to ${stats[name]}`);
    }
    this.#statsBefore = Object.fromEntries(Object.entries(stats).filter(([, n]) => typeof n === "number"));
  }
}

/** Runs a history. Its failure, or null. */
export async function failureOf(history: History): Promise<HistoryFailure | null> {
  try {
    await new Checker(history).run();
    return null;
  } catch (error) {
    if (error instanceof HistoryFailure) return error;
    throw error;
  }
}
