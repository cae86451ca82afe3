/** The lock of shared pools where one thread is a page's main thread, which must not sleep. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { REGISTRY_WORDS, sharedBuffer, ThreadLock, ThreadRegistry } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { ZbudPool, zbudDriver } from "../../../src/drivers/index.ts";
import { isCode } from "../../support/is-code.ts";

const REGISTRY_AT = 1;

/** What a worker is told, and what it tells when it is there. */
type Order = { hold: SharedArrayBuffer } | { use: unknown; rounds: number };

/** Takes the place of a test's worker: holds a lock until it is told, or uses a pool. */
export function work(order: Order): void {
  if ("hold" in order) {
    const words = new Int32Array(order.hold);
    const lock = lockOf(words);
    lock.acquire();
    self.postMessage("held");
    Atomics.wait(words, words.length - 1, 0, 5000);
    lock.release();
    self.postMessage("released");
    return;
  }
  const pool = zbudDriver.attach(order.use as Parameters<typeof zbudDriver.attach>[0]);
  self.postMessage("attached");
  let stored = 0;
  for (let i = 0; i < order.rounds; i++) stored += storeAndFree(pool, i) ? 1 : 0;
  pool.close();
  self.postMessage(stored);
}

function lockOf(words: Int32Array): ThreadLock {
  const registry = new ThreadRegistry(words, REGISTRY_AT);
  return new ThreadLock(words, 0, registry.enter(), registry, () => assert.fail("nobody died"));
}

/** One object: written, read again, freed. False if there was no room. */
function storeAndFree(pool: ZbudPool, round: number): boolean {
  const size = 1 + ((round * 61) % 3000);
  const handle = pool.alloc(size);
  if (typeof handle === "string") return false;
  pool.write(handle, new Uint8Array(size).fill(round));
  const bytes = new Uint8Array(size);
  pool.read(handle, bytes);
  assert.ok(bytes.every((byte) => byte === round % 256));
  pool.free(handle);
  return true;
}

/** A worker of this very bundle. */
function startWorker(order: Order): { next(): Promise<unknown>; end(): void } {
  const worker = new Worker("/tests/helper.js", { type: "module" });
  const told: unknown[] = [];
  const waiting: ((message: unknown) => void)[] = [];
  worker.onmessage = ({ data }) => {
    const resolve = waiting.shift();
    if (resolve === undefined) told.push(data);
    else resolve(data);
  };
  worker.postMessage(order);
  return {
    next: () => (told.length > 0 ? Promise.resolve(told.shift()) : new Promise((then) => waiting.push(then))),
    end: () => worker.terminate(),
  };
}

describe("a page's main thread beside workers", () => {
  it("may not sleep", () => {
    assert.throws(() => Atomics.wait(new Int32Array(sharedBuffer(4)), 0, 0, 1));
  });

  it("gets EAGAIN from a lock that is held for long, and the lock once it is free", async () => {
    const words = new Int32Array(sharedBuffer(4 * (REGISTRY_AT + REGISTRY_WORDS + 1)));
    const lock = lockOf(words);
    const worker = startWorker({ hold: words.buffer as SharedArrayBuffer });
    assert.equal(await worker.next(), "held");
    for (let i = 0; i < 3; i++) {
      const start = performance.now();
      assert.throws(() => lock.acquire(), isCode("EAGAIN", "must not block", "try again"));
      const ms = performance.now() - start;
      assert.ok(ms > 90 && ms < 2000, `refused after ${ms} ms`);
    }
    Atomics.store(words, words.length - 1, 1);
    Atomics.notify(words, words.length - 1);
    assert.equal(await worker.next(), "released");
    lock.acquire();
    lock.release();
    worker.end();
  });

  it("shares a pool with two workers, and the books balance", async () => {
    const rounds = 20_000;
    const pool = new ZbudPool({ maxPages: 64, shared: true });
    const workers = [1, 2].map(() => startWorker({ use: pool.share(), rounds }));
    for (const worker of workers) assert.equal(await worker.next(), "attached");
    for (let i = 0; i < rounds; i++) assert.ok(storeAndFree(pool, i));
    for (const worker of workers) assert.equal(await worker.next(), rounds);
    verify(pool);
    assert.equal(pool.stats().pages, 0);
    for (const worker of workers) worker.end();
    pool.close();
  });
});
