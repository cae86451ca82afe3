/** What becomes of the dictionary where the thread that learns it cannot be had, fails or is killed; and that it is told. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { before, describe, it, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import { QUIET_FLAG, ROOT, run } from "../../scripts/tools.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { until } from "../support/until.ts";
import { fill, noise, record } from "./dictionary-helpers.ts";
import type { KillPoint } from "./dictionary-kill-child.ts";

/** As much as two ways to learn may differ in what the cache then holds. */
const SHARE = 0.03;

function makeCache(options: Partial<CompressedCacheOptions<unknown>> = {}): CompressedCache<unknown> {
  return new CompressedCache<unknown>({ maxBytes: "8MiB", ...options });
}

/** Puts something in the place of the `Worker` of node:worker_threads. */
function replaceWorker(t: TestContext, replacement: unknown): void {
  const { getBuiltinModule } = process;
  t.mock.method(process, "getBuiltinModule", (name: string) => {
    const module = getBuiltinModule(name);
    return name === "node:worker_threads" ? { ...module, Worker: replacement } : module;
  });
}

/** A worker thread that does nothing, but for what is told. */
class IdleWorker extends EventEmitter {
  unref(): void {}
}

class EndedWorker extends IdleWorker {
  constructor() {
    super();
    setImmediate(() => this.emit("exit", 1));
  }
}

class CrashedWorker extends IdleWorker {
  constructor() {
    super();
    setImmediate(() => {
      this.emit("error", Object.assign(new Error("out of memory"), { code: "ERR_WORKER_OUT_OF_MEMORY" }));
      this.emit("exit", 1);
    });
  }
}

class RefusedWorker {
  constructor() {
    throw Object.assign(new Error("not allowed"), { code: "ERR_ACCESS_DENIED" });
  }
}

describe("a dictionary without its worker thread", () => {
  let usual = 0;
  before(async () => {
    const cache = makeCache();
    const { density, dictionary } = await fill(cache);
    assert.equal(dictionary.error, undefined);
    cache.close();
    usual = density;
    assert.ok(usual > 2, `${usual}`);
  });

  function assertUsual(density: number): void {
    assert.ok(Math.abs(density - usual) < usual * SHARE, `${density} instead of ${usual}`);
  }

  const KINDS: [name: string, worker: unknown, error: RegExp][] = [
    ["that may not be started", RefusedWorker, /^ERR_ACCESS_DENIED: not allowed$/],
    ["that ends at once", EndedWorker, /^the worker thread ended, with exit code 1$/],
    ["that has no memory", CrashedWorker, /^ERR_WORKER_OUT_OF_MEMORY: out of memory$/],
  ];
  for (const [name, worker, error] of KINDS) {
    for (const shared of [true, false]) {
      it(`one ${name}: the same is held, and it is told (shared: ${shared})`, async (t) => {
        replaceWorker(t, worker);
        const cache = makeCache({ shared });
        const { dictionary, density } = await fill(cache);
        assert.equal(dictionary.state, "in-use");
        assert.match(dictionary.error ?? "", error);
        assertUsual(density);
        for (let i = 0; i < 100; i++) assert.equal(cache.get(i), record(i));
        cache.close();
      });
    }
  }

  it("one that never answers: after ten seconds the thread learns itself", async (t) => {
    replaceWorker(t, IdleWorker);
    const cache = makeCache();
    for (let i = 0; i < 1500; i++) cache.set(i, record(i));
    assert.equal(cache.stats().dictionary.state, "learning");
    const { performance } = globalThis;
    const { now } = performance;
    t.mock.method(performance, "now", () => now.call(performance) + 11_000);
    const { dictionary, density } = await fill(cache);
    assert.match(dictionary.error ?? "", /no sign of life for 10000 ms/);
    assertUsual(density);
    cache.close();
  });

  it("one that is late: from a quarter of the cache on the thread learns as well, if it does nothing but set", (t) => {
    replaceWorker(t, IdleWorker);
    let passed = performance.now();
    // Each look at the clock takes 10 µs.
    t.mock.method(performance, "now", () => {
      passed += 0.01;
      return passed;
    });
    const cache = makeCache({ maxBytes: "4MiB" });
    let count = 0;
    const set = (): void => void cache.set(count, record(count++));
    while (cache.stats().bytesUsed < 2 ** 21) set();
    assert.equal(cache.stats().dictionary.state, "learning");
    passed += 200;
    // A tick of the clock for each set, as others take some time too.
    while (cache.stats().dictionary.state === "learning" && count < 1e5) {
      passed += 0.1;
      set();
    }
    const { dictionary, evictions } = cache.stats();
    assert.equal(dictionary.state, "in-use");
    assert.equal(evictions, 0, "before the cache was full");
    assert.equal(dictionary.error, undefined);
    cache.close();
  });

  it("a process that may start no threads", () => {
    const flags = [QUIET_FLAG, "--permission", "--allow-fs-read=*"];
    const child = join(ROOT, "test/cache/dictionary-child.ts");
    const { ok, output } = run(process.execPath, [...flags, child], { capture: true });
    assert.ok(ok, output);
    const { dictionary, density } = JSON.parse(output.split("\n").at(-2) ?? "") as Awaited<
      ReturnType<typeof fill>
    >;
    assert.equal(dictionary.state, "in-use");
    assert.match(dictionary.error ?? "", /^ERR_ACCESS_DENIED/);
    assertUsual(density);
  });

  it("no set learns for longer than a millisecond, or for longer than others took before", (t) => {
    replaceWorker(t, RefusedWorker);
    const { performance } = globalThis;
    let time = performance.now();
    // Each look at the clock takes 0.1 ms, so a slice has ten steps.
    t.mock.method(performance, "now", () => {
      time += 0.1;
      return time;
    });
    const cache = makeCache();
    let sets = 0;
    let longest = 0;
    while (cache.stats().dictionary.state === "learning") {
      const start = time;
      cache.set(sets, record(sets));
      longest = Math.max(longest, time - start);
      sets++;
    }
    assert.equal(cache.stats().dictionary.state, "in-use");
    assert.ok(longest < 2, `a set took ${longest} ms`);
    assert.ok(sets > 2000, `${sets} sets`);
    cache.close();
  });

  it("one thread begins, and is killed or closes the cache: another has it learned", async (t) => {
    const { performance } = globalThis;
    const { now } = performance;
    for (const end of ["killed", "closed"]) {
      const cache = makeCache();
      const worker = new Worker(new URL("./dictionary-worker.ts", import.meta.url), {
        workerData: cache.share(),
      });
      assert.deepEqual(await once(worker, "message"), ["learning"]);
      if (end === "killed") await worker.terminate();
      else {
        worker.postMessage("close");
        await once(worker, "exit");
      }
      const late = t.mock.method(performance, "now", () => now.call(performance) + 11_000);
      const { dictionary, density } = await fill(cache);
      assert.equal(dictionary.state, "in-use", end);
      assertUsual(density);
      late.mock.restore();
      cache.close();
    }
  });

  /** A process that does so; see there. */
  function startChild(path: string, point: KillPoint): ChildProcess {
    const child = join(ROOT, "test/cache/dictionary-kill-child.ts");
    return spawn(process.execPath, [QUIET_FLAG, child, path, point], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  }

  for (const point of ["learning", "copying", "copied"] as const) {
    it(`a process is killed that has it (${point}): another one learns at once, or one that comes later`, async () => {
      const path = freshPath();
      const there = makeCache({ shared: path });
      const [, signal] = await once(startChild(path, point), "exit");
      assert.equal(signal, "SIGKILL");
      const later = makeCache({ shared: path });
      assert.equal(later.stats().dictionary.state, "learning");
      const { dictionary, density } = await fill(point === "learning" ? there : later);
      assert.equal(dictionary.state, "in-use");
      assert.equal(dictionary.error, "the thread that learned it is gone");
      assertUsual(density);
      for (const cache of [there, later]) for (let i = 0; i < 100; i++) assert.equal(cache.get(i), record(i));
      there.close();
      later.close();
    });
  }

  it("a process is stopped that learns it: another one does, after ten seconds; it goes on and changes nothing", async (t) => {
    const path = freshPath();
    const cache = makeCache({ shared: path });
    const child = startChild(path, "stopped");
    t.after(() => child.kill("SIGKILL"));
    await until("it learns", () => cache.stats().dictionary.state === "learning" && cache.size > 0);
    await until("it is stopped", () => readFileSync(`/proc/${child.pid}/stat`, "latin1").includes(") T "));
    for (let i = 0; i < 200; i++) cache.set(i, record(i));
    const { performance } = globalThis;
    const { now } = performance;
    const late = t.mock.method(performance, "now", () => now.call(performance) + 11_000);
    const { dictionary, density } = await fill(cache);
    late.mock.restore();
    assert.match(dictionary.error ?? "", /no sign of life for 10000 ms/);
    assertUsual(density);
    child.kill("SIGCONT");
    const [text] = await once(child.stdout as Readable, "data");
    assert.equal(JSON.parse(String(text)).state, "in-use");
    for (let i = 0; i < 100; i++) assert.equal(cache.get(i), record(i));
    assert.equal(cache.get("from the child"), record(1));
    cache.close();
  });

  it("an error while it is learned: failed, and why; values are kept without", async (t) => {
    const { WebAssembly } = globalThis as unknown as { WebAssembly: Record<string, unknown> };
    const cache = makeCache();
    cache.set("first", record(0));
    replaceWorker(t, RefusedWorker);
    const { Instance } = WebAssembly;
    t.after(() => {
      WebAssembly.Instance = Instance;
    });
    WebAssembly.Instance = class {
      constructor() {
        throw new RangeError("no memory");
      }
    };
    const { dictionary, density } = await fill(cache);
    assert.equal(dictionary.state, "failed");
    assert.match(dictionary.error ?? "", /^the system gave codec lz4 no memory .* \(ENOMEM\)$/);
    assert.equal(dictionary.bytes, 0);
    assert.ok(density < usual / 2);
    assert.equal(cache.get(1), record(1));
    cache.close();
  });
});

describe("stats() of the dictionary", () => {
  const NOTHING = { bytes: 0, savedBytes: 0, learned: 0, learnedMax: 4, trials: 0 };

  it("off, learning, in use: the same in all threads", async () => {
    for (const options of [{ dictionary: "none" }, { codec: "none" }, { codec: "deflate" }] as const) {
      const cache = makeCache(options);
      cache.set(1, record(1));
      assert.deepEqual(cache.stats().dictionary, { ...NOTHING, state: "off", learnedMax: 1 });
      cache.close();
    }
    const cache = makeCache();
    const other = CompressedCache.attach<unknown>(cache.share());
    assert.deepEqual(cache.stats().dictionary, { ...NOTHING, state: "learning" });
    await fill(cache);
    const { dictionary } = cache.stats();
    assert.equal(dictionary.state, "in-use");
    assert.ok(dictionary.bytes > 1000);
    assert.deepEqual(other.stats().dictionary, dictionary);
    const given = makeCache({ dictionary: new Uint8Array(500) });
    const one = { bytes: 500, learned: 1, learnedMax: 1 };
    assert.deepEqual(given.stats().dictionary, { ...NOTHING, ...one, state: "in-use" });
  });

  it("of no use: noise", async () => {
    const cache = makeCache();
    const { dictionary } = await fill(cache, noise);
    assert.deepEqual(dictionary, { ...NOTHING, state: "no-use" });
    cache.close();
  });

  for (const codec of ["lz4", "zstd"]) {
    it(`what it saved is what the same values take more without it (${codec})`, async () => {
      const cache = makeCache({ codec, maxBytes: "32MiB" });
      const plain = makeCache({ codec, maxBytes: "32MiB", dictionary: "none" });
      await fill(cache);
      const saved = cache.stats().dictionary.savedBytes;
      cache.clear();
      for (let i = 0; i < 20_000; i++) {
        cache.set(i, record(i));
        plain.set(i, record(i));
      }
      const more = plain.stats().storedBytes - cache.stats().storedBytes;
      const said = cache.stats().dictionary.savedBytes - saved;
      assert.ok(Math.abs(said / more - 1) < 0.1, `${said} instead of ${more}`);
      cache.close();
      plain.close();
    });
  }
});
