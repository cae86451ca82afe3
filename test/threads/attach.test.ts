/** Opening a pool in another thread: what may be passed on, what is refused, and who may use what. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Worker } from "node:worker_threads";
import { type Handle, PLACES, Prng, REGISTRY_WORDS, ZbudError } from "../../src/base/index.ts";
import { snapshot, verify } from "../../src/diagnostics/index.ts";
import { attachPool, createPool, ZbudPool, zbudDriver } from "../../src/drivers/index.ts";
import { isCode } from "../support/is-code.ts";
import { assertFill, put, take } from "../support/objects.ts";
import { until } from "../support/until.ts";
import type { Order } from "./attach-worker.ts";
import { finishPool } from "./expected-objects.ts";
import { attachPool as attachDriver, DRIVERS, type DriverName, makeShared } from "./pools.ts";
import { messageOf, startWorker } from "./worker-group.ts";

type Shared = ReturnType<ZbudPool["share"]>;

const MEMBERS_MAX = PLACES - 1;

/** Sends an order; gives the result, or fails with what went wrong. */
async function ask(worker: Worker, order: Order): Promise<unknown> {
  const answer = messageOf(worker);
  worker.postMessage(order);
  const { result, code } = (await answer) as { result?: unknown; code?: string };
  return code === undefined ? result : Promise.reject(new ZbudError(code as ZbudError["code"], code));
}

function copyOf(buffer: SharedArrayBuffer): SharedArrayBuffer {
  const copy = new SharedArrayBuffer(buffer.byteLength);
  new Uint8Array(copy).set(new Uint8Array(buffer));
  return copy;
}

/** What `share()` of a pool gives where the platform has no fast locks: exactly the table, in plain memory. */
function plainShareOf(pool: ZbudPool): Shared {
  const { zbud, table, pages, fast } = pool.share();
  return {
    zbud,
    type: "zbud",
    table: table.slice(0, fast === undefined ? undefined : 4 * fast.words),
    pages,
  };
}

function makePool(options: { maxPages?: number; pageSize?: number; chunkOrder?: number } = {}): ZbudPool {
  return new ZbudPool({ maxPages: 16, ...options, shared: true });
}

describe("a pool in two threads", () => {
  it("is one pool: handles, bytes, figures", async () => {
    const pool = makePool();
    const mine = put(pool, 1000, 7);
    const worker = startWorker("./attach-worker.ts", { shared: pool.share() });
    const theirs = (await ask(worker, { do: "alloc", size: 500, fill: 9 })) as Handle;
    assert.notEqual(theirs, mine);
    assertFill(pool, theirs, 9);
    assert.equal(pool.sizeOf(theirs), 500);
    assert.deepEqual(await ask(worker, { do: "read", handle: mine }), new Uint8Array(1000).fill(7));
    assert.deepEqual(await ask(worker, { do: "inspect", handle: mine }), pool.inspect(mine));
    assert.deepEqual(await ask(worker, { do: "stats" }), pool.stats());

    pool.free(theirs);
    await assert.rejects(ask(worker, { do: "free", handle: theirs }), isCodeOnly("EBADF"));
    await ask(worker, { do: "free", handle: mine });
    assert.throws(() => pool.free(mine), isCode("EBADF"));
    assert.equal(pool.pageCount, 0);
    await worker.terminate();
  });

  it("reclaims in each with that thread's own handler", async () => {
    const pool = makePool();
    const handle = take(pool, 100);
    assert.equal(pool.evictable, false);
    assert.equal(pool.reclaimPage(), "EINVAL");
    const worker = startWorker("./attach-worker.ts", { shared: pool.share() });
    assert.equal(await ask(worker, { do: "reclaim" }), "ok");
    assert.throws(() => pool.map(handle), isCode("EBADF"));
    assert.equal(pool.stats().pagesReclaimed, 1);
    await worker.terminate();
  });

  it("is closed in one and goes on in the other", async () => {
    for (const first of ["maker", "worker"]) {
      const pool = makePool();
      const handle = put(pool, 300, 5);
      const worker = startWorker("./attach-worker.ts", { shared: pool.share() });
      const other = zbudDriver.attach(pool.share());
      if (first === "maker") {
        await ask(worker, { do: "stats" });
        pool.close();
        assert.throws(() => pool.share(), isCode("ECLOSED"));
      } else {
        await ask(worker, { do: "close" });
        await assert.rejects(ask(worker, { do: "stats" }), isCodeOnly("ECLOSED"));
      }
      assertFill(other, handle, 5);
      take(other, 4000 - 128);
      if (first === "maker") {
        assert.deepEqual(await ask(worker, { do: "read", handle }), new Uint8Array(300).fill(5));
      }
      finishPool(other);
      await worker.terminate();
    }
  });

  it("also through zpool", () => {
    const pool = createPool("zbud", { maxPages: 4, pageSize: 1024, chunkOrder: 4, shared: true });
    const handle = pool.alloc(100);
    if (typeof handle === "string") assert.fail(handle);
    pool.write(handle, new Uint8Array(100).fill(3));
    const attached = attachPool(structuredClone(pool.share()), {
      onEvict: (each, given) => {
        given.free(each);
        return true;
      },
    });
    assert.equal(attached.type, "zbud");
    assert.deepEqual(attached.shape, pool.shape);
    assert.deepEqual([pool.evictable, attached.evictable], [false, true]);
    assert.equal(attached.map(handle, "ro")[99], 3);
    assert.deepEqual(attached.shrinkPages(1), { reclaimed: 1, result: "ok" });
    assert.equal(pool.pageCount, 0);
    attached.close();
    verify(pool);
    pool.close();
    assert.throws(() => createPool("zbud", { maxPages: 4 }).share(), isCode("EINVAL", "shared: true"));
    for (const wrong of [undefined, null, 1, "zbud", {}, { type: 1 }, { type: "zbud" }]) {
      assert.throws(() => attachPool(wrong as never), isCode("EINVAL"), JSON.stringify(wrong));
    }
    assert.throws(() => attachPool({ type: "none" } as never), isCode("ENOENT", "none"));
  });
});

describe("attach refuses", () => {
  it("what share() never gives", () => {
    const { table, pages, zbud } = makePool().share();
    const wrong: unknown[] = [
      undefined,
      null,
      0,
      "pool",
      Symbol("pool"),
      {},
      [],
      () => 1,
      new ArrayBuffer(1000),
      new SharedArrayBuffer(1000),
      { zbud, type: "zbud", table },
      { zbud, pages },
      { zbud, type: "zbud", table: new ArrayBuffer(table.byteLength), pages },
      { zbud, type: "zbud", table, pages: new ArrayBuffer(pages.byteLength) },
      { zbud, type: "zbud", table: new Int32Array(table), pages },
      { zbud, type: "zbud", table: null, pages: null },
    ];
    for (const each of wrong) assert.throws(() => zbudDriver.attach(each as Shared), isCode("EINVAL"));
    const pool = makePool();
    for (const options of [null, 5, "evict", { onEvict: 5 }, { onEvict: {} }]) {
      const attach = (): ZbudPool => zbudDriver.attach(pool.share(), options as never);
      assert.throws(attach, isCode("EINVAL"), `options ${JSON.stringify(options)}`);
    }
  });

  it("a share of a pool for one thread", () => {
    const pool = new ZbudPool({ maxPages: 4 });
    assert.throws(() => pool.share(), isCode("EINVAL", "shared: true"));
    pool.close();
    assert.throws(() => pool.share(), isCode("ECLOSED"));
  });

  it("buffers that are too short, too long, swapped, or of pools of other shapes", () => {
    const { table, pages, zbud } = plainShareOf(makePool());
    const other = plainShareOf(makePool({ maxPages: 17 }));
    const finer = plainShareOf(makePool({ chunkOrder: 5 }));
    const wrong: Shared[] = [
      { zbud, type: "zbud", table: pages, pages: table },
      { zbud, type: "zbud", table: pages, pages },
      { zbud, type: "zbud", table, pages: table },
      { zbud, type: "zbud", table: other.table, pages },
      { zbud, type: "zbud", table, pages: other.pages },
      { zbud: zbud + 1, type: "zbud", table, pages },
      { zbud: undefined as unknown as number, type: "zbud", table, pages },
    ];
    for (const length of [0, 1, 3, 4, 32, 36, 64, 1000, table.byteLength - 4, table.byteLength + 4]) {
      const cut = new SharedArrayBuffer(length);
      new Uint8Array(cut).set(new Uint8Array(table).subarray(0, length));
      wrong.push({ zbud, type: "zbud", table: cut, pages });
    }
    for (const length of [0, pages.byteLength - 1, pages.byteLength + 1, 2 * pages.byteLength]) {
      wrong.push({ zbud, type: "zbud", table, pages: new SharedArrayBuffer(length) });
    }
    for (const each of wrong) {
      assert.throws(() => zbudDriver.attach(each), isCode("EBADMSG"), JSON.stringify(Object.values(each)));
    }
    // The length of the pages is the same, that of the tables is not.
    assert.throws(
      () => zbudDriver.attach({ zbud, type: "zbud", table: finer.table.slice(4) as never, pages }),
      isCode("EBADMSG"),
    );
  });

  it("memory for fast locks that is none, or that ends before its table", () => {
    const { fast, ...plain } = makePool().share();
    assert.ok(fast !== undefined, "this platform has fast locks");
    const { memory, words } = fast;
    for (const wrong of [0, 1.5, -1, words - 1, words + 1, 2 ** 31, Number.NaN, "8" as unknown as number]) {
      assert.throws(() => zbudDriver.attach({ ...plain, fast: { memory, words: wrong } }), isCode("EBADMSG"));
    }
    for (const wrong of [null, {}, { buffer: plain.table }, plain.table]) {
      const fastless = { memory: wrong as unknown as typeof memory, words };
      assert.throws(() => zbudDriver.attach({ ...plain, fast: fastless }), isCode("EINVAL"));
    }
    zbudDriver.attach({ ...plain, fast }).close();
  });

  it("a pool without fast locks works as one with them", () => {
    const pool = makePool();
    const handle = put(pool, 100, 1);
    const attached = zbudDriver.attach(plainShareOf(pool));
    attached.free(handle);
    assert.equal(attached.pageCount, 0);
    verify(attached);
  });

  it("a table whose head is damaged, word by word", () => {
    const pool = makePool({ pageSize: 1024, chunkOrder: 4, maxPages: 5 });
    const { pages, zbud, table } = plainShareOf(pool);
    // Magic, version, page size, chunk order, pages, number, lock, note of what was in hand, pages ever used.
    const harmful: Record<number, readonly number[]> = {
      0: [0, -1, 1, 0x7fff_ffff],
      1: [0, 1, 3, -1, 0x7fff_ffff],
      2: [0, -1, 1, 1023, 2048, 0x7fff_ffff, -(2 ** 31)],
      3: [0, -1, 1, 3, 5, 11, 31, 0x7fff_ffff],
      4: [0, -1, 4, 6, 0x7fff_ffff, -(2 ** 31)],
      5: [-1, -(2 ** 31)],
      22: [-1, 6, 0x7fff_ffff, -(2 ** 31)],
      16: [-1, -(2 ** 31)],
      17: [-1, 11, 0x7fff_ffff, -(2 ** 31)],
    };
    for (const [word, values] of Object.entries(harmful)) {
      for (const value of values) {
        const copy = copyOf(table);
        new Int32Array(copy)[Number(word)] = value;
        const attach = (): ZbudPool => zbudDriver.attach({ zbud, type: "zbud", table: copy, pages });
        assert.throws(attach, isCode("EBADMSG"), `word ${word} is ${value}`);
      }
    }
  });

  for (const driver of Object.keys(DRIVERS) as DriverName[]) {
    it(
      `damage anywhere else, in ${driver}: attach, verify, repair, close give an error of its own or nothing`,
      {
        timeout: 120_000,
      },
      () => damageEachWord(driver, "own"),
    );

    it(
      `the same in ${driver} with the caller's lock, which repairs first whatever it finds`,
      {
        timeout: 120_000,
      },
      () => damageEachWord(driver, "caller"),
    );
  }
});

/** Attaches to copies of a pool's table in each of which one word is wrong, and then to some with several. */
function damageEachWord(driver: DriverName, lock: "own" | "caller"): void {
  const pool = makeShared(driver, { maxPages: 8, pageSize: driver === "log" ? 512 : 256, lock });
  const prng = new Prng(7);
  const live: Handle[] = [];
  for (let i = 0; i < 60; i++) {
    const handle = pool.alloc(1 + prng.below(driver === "slots" ? 20 : pool.maxObjectBytes));
    if (typeof handle === "number") live.push(handle);
    if (prng.chance(0.4)) pool.free(live.splice(prng.below(live.length), 1)[0]);
  }
  const { pages, zbud, table, fast } = pool.share();
  const words = new Int32Array(table.slice(0, fast === undefined ? undefined : 4 * fast.words));
  const end = words.length - (lock === "own" ? REGISTRY_WORDS : 0);
  const tryOut = (damage: readonly (readonly [number, number])[]): void => {
    const copy = new Int32Array(new SharedArrayBuffer(words.byteLength));
    copy.set(words);
    for (const [word, value] of damage) copy[word] = value;
    try {
      const attached = attachDriver(driver, { zbud, type: "zbud", table: copy.buffer, pages });
      if (lock === "caller") attached.recover();
      try {
        snapshot(attached);
        attached.stats();
        attached.objects(() => undefined);
        verify(attached);
      } finally {
        attached.close();
      }
    } catch (error) {
      const what = JSON.stringify(damage);
      if (!(error instanceof ZbudError)) throw new Error(`words and values ${what}`, { cause: error });
      assert.ok(["EBADMSG", "ECORRUPT"].includes(error.code), `${what}: ${error.message}`);
    }
  };
  const W_LOCK = 16; // it might be held by a thread that lives
  // Words that are far from being used, of a large table, are as good as each other.
  const step = (word: number): number => (word < 400 || words[word] !== 0 ? 1 : 1 + prng.below(8));
  for (let word = 0; word < end; word += step(word)) {
    if (word === W_LOCK) continue;
    for (const value of [-1, 0x7fff_ffff, 5, 0, words[word] + 1, words[prng.below(end)]])
      tryOut([[word, value]]);
  }
  for (let i = 0; i < 300; i++) {
    const count = 2 + prng.below(4);
    const damage = Array.from({ length: count }, () => {
      const word = prng.chance(0.3) ? 17 + prng.below(63) : W_LOCK + 1 + prng.below(end - W_LOCK - 1);
      return [word, prng.chance(0.7) ? words[prng.below(end)] : words[word] + prng.below(40) - 20] as const;
    });
    tryOut(damage);
  }
  for (const handle of live) pool.free(handle);
  pool.close();
}

describe("places in the table of threads", () => {
  it(`are for ${MEMBERS_MAX} threads; one more is EBUSY; one that is given back can be taken`, () => {
    const pool = makePool();
    const attached = Array.from({ length: MEMBERS_MAX - 1 }, () => zbudDriver.attach(pool.share()));
    for (let i = 0; i < 3; i++) {
      assert.throws(() => zbudDriver.attach(pool.share()), isCode("EBUSY", String(MEMBERS_MAX)));
      const [left] = attached.splice(i * 40, 1);
      left.close();
      attached.push(zbudDriver.attach(pool.share()));
    }
    for (const each of attached) each.close();
    const handle = take(pool, 10);
    pool.free(handle);
    finishPool(pool);
  });

  it("of threads that end are found and given back", { timeout: 60_000 }, async () => {
    const pool = makePool();
    const rounds = 6;
    for (let round = 0; round < rounds; round++) {
      const worker = startWorker("./attach-worker.ts", { shared: pool.share() });
      await ask(worker, { do: "alloc", size: 100, fill: round });
      const { threadId } = worker;
      await worker.terminate();
      if (process.platform !== "linux" || round === 0) pool.threadGone(threadId);
      else await until("the thread is seen to be gone", () => pool.recover() === 1);
      assert.equal(pool.recover(), 0);
    }
    assert.equal(pool.stats().objects, rounds, "what was allocated stays");
    const others = Array.from({ length: MEMBERS_MAX - 1 }, () => zbudDriver.attach(pool.share()));
    for (const each of others) each.close();
    finishPool(pool);
  });

  it("nobody who lives is found gone, told or not", async () => {
    const pool = makePool();
    const worker = startWorker("./attach-worker.ts", { shared: pool.share() });
    const other = zbudDriver.attach(pool.share());
    await ask(worker, { do: "stats" });
    assert.equal(pool.recover(), 0);
    assert.equal(await ask(worker, { do: "recover" }), 0);
    pool.threadGone(worker.threadId + 1000);
    // What a worker has for a number when it has ended.
    for (const none of [-1, 0.5, Number.NaN, undefined]) {
      assert.throws(() => pool.threadGone(none as number), {
        code: "EINVAL",
        message: /keep worker.threadId/,
      });
    }
    assert.equal(pool.recover(), 0);
    other.close();
    await worker.terminate();
    await until("the thread is seen to be gone", () => process.platform !== "linux" || pool.recover() === 1);
  });
});

function isCodeOnly(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ZbudError && error.code === code;
}
