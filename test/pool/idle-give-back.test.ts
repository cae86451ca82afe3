/** Memory that is given back by itself, when much of it is free for some time. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it, type TestContext } from "node:test";
import type { Handle } from "../../src/base/index.ts";
import { createPool } from "../../src/drivers/index.ts";
import { giveBackWhenIdle, type IdleMemory, type Pool, stopGivingBack } from "../../src/pool/index.ts";
import { CAN_GIVE_BACK } from "../support/can-give-back.ts";
import { isCode } from "../support/is-code.ts";
import { fillUp, finish } from "../support/objects.ts";
import { sharedPath } from "../support/shared-path.ts";
import { DRIVERS, type DriverName } from "../threads/pools.ts";

const MIB = 2 ** 20;
const LOOK_MS = 1000;

/** Memory of which so much is touched and free. */
class FakeMemory implements IdleMemory {
  touched: number;
  free: number;
  /** What was asked for, and what is given at most. */
  readonly asked: number[] = [];
  gives = Number.POSITIVE_INFINITY;

  constructor(touched: number, free: number) {
    this.touched = touched;
    this.free = free;
  }

  touchedBytes(): number {
    return this.touched;
  }

  freeTouchedBytes(): number {
    return this.free;
  }

  giveBack(maxBytes: number): number {
    this.asked.push(maxBytes);
    const given = Math.min(maxBytes, this.gives, this.free);
    this.touched -= given;
    this.free -= given;
    return given;
  }
}

function withClock(t: TestContext): (ms: number) => void {
  t.mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
  return (ms) => {
    // Turns of giving back lie between two looks.
    for (let left = ms; left > 0; left -= 10) t.mock.timers.tick(Math.min(10, left));
  };
}

/** Watches a memory for the time of a test. */
function watched(t: TestContext, memory: FakeMemory): FakeMemory {
  giveBackWhenIdle(memory);
  t.after(() => stopGivingBack(memory));
  return memory;
}

describe("giving back by itself", () => {
  it("begins when more than a quarter is free at two looks in a row, and ends at an eighth", (t) => {
    const pass = withClock(t);
    const memory = watched(t, new FakeMemory(100 * MIB, 60 * MIB));
    pass(LOOK_MS);
    assert.equal(memory.asked.length, 0, "once may be a moment's");
    pass(LOOK_MS);
    assert.ok(memory.free <= memory.touched / 8, `${memory.free} of ${memory.touched} are free`);
    assert.ok(memory.free > memory.touched / 8 - MIB, "and not much less");
    assert.ok(Math.max(...memory.asked) <= MIB, "in batches");
    const { free } = memory;
    pass(20 * LOOK_MS);
    assert.equal(memory.free, free);
  });

  it("does nothing at a quarter, for less than a MiB, or when it was free for one look only", (t) => {
    const pass = withClock(t);
    const quarter = watched(t, new FakeMemory(100 * MIB, 25 * MIB));
    const little = watched(t, new FakeMemory(MIB, MIB));
    const moment = watched(t, new FakeMemory(100 * MIB, 0));
    for (let i = 0; i < 10; i++) {
      moment.free = i % 2 === 0 ? 60 * MIB : 0;
      pass(LOOK_MS);
    }
    for (const memory of [quarter, little, moment]) assert.deepEqual(memory.asked, []);
  });

  it("all that is free goes of what is empty", (t) => {
    const pass = withClock(t);
    const memory = watched(t, new FakeMemory(40 * MIB, 40 * MIB));
    pass(3 * LOOK_MS);
    assert.ok(memory.touched < 4096, `${memory.touched} bytes are left`);
  });

  it("what cannot be given is not tried again until more is free, or for a minute", (t) => {
    const pass = withClock(t);
    const memory = watched(t, new FakeMemory(100 * MIB, 60 * MIB));
    memory.gives = 0;
    pass(20 * LOOK_MS);
    assert.equal(memory.asked.length, 1);
    memory.free = 61.5 * MIB;
    pass(3 * LOOK_MS);
    assert.equal(memory.asked.length, 2);
    pass(58 * LOOK_MS);
    assert.equal(memory.asked.length, 2);
    pass(5 * LOOK_MS);
    assert.equal(memory.asked.length, 3);
    memory.gives = 100 * MIB;
    memory.free = 0;
    pass(LOOK_MS);
    memory.free = 60 * MIB;
    pass(2 * LOOK_MS);
    assert.ok(memory.free < 13 * MIB, "less was free in between: so it is other memory");
  });

  it("one that throws is let go, and the others go on", (t) => {
    const pass = withClock(t);
    const broken = watched(t, new FakeMemory(100 * MIB, 60 * MIB));
    const memory = watched(t, new FakeMemory(100 * MIB, 60 * MIB));
    let looks = 0;
    broken.freeTouchedBytes = () => {
      looks++;
      throw new Error("closed");
    };
    pass(5 * LOOK_MS);
    assert.equal(looks, 1);
    assert.ok(memory.free < 13 * MIB);
  });

  it("one that is stopped is asked no more, also in the middle", (t) => {
    const pass = withClock(t);
    const memory = watched(t, new FakeMemory(100 * MIB, 60 * MIB));
    memory.giveBack = (maxBytes) => {
      stopGivingBack(memory);
      return FakeMemory.prototype.giveBack.call(memory, maxBytes);
    };
    pass(5 * LOOK_MS);
    assert.equal(memory.asked.length, 1);
  });

  it("a turn takes little of the event loop's time: the rest comes in the next ones", (t) => {
    const pass = withClock(t);
    const memory = watched(t, new FakeMemory(1000 * MIB, 900 * MIB));
    let batches = 0;
    memory.giveBack = (maxBytes) => {
      // More than a turn has.
      const end = process.hrtime.bigint() + 3_000_000n;
      while (process.hrtime.bigint() < end);
      batches++;
      return FakeMemory.prototype.giveBack.call(memory, maxBytes);
    };
    pass(2 * LOOK_MS);
    const before = batches;
    t.mock.timers.tick(10);
    assert.equal(batches, before + 1);
  });
});

const RUN = { maxBytes: 16 * MIB };

/** A pool of some MiB of which all was used, and half is free. */
function halfFree(pool: Pool): Handle[] {
  const handles = fillUp(pool, 3900, 10_000);
  return handles.filter((handle, i) => {
    if (i % 8 < 4) pool.free(handle);
    return i % 8 >= 4;
  });
}

describe("pools that give back by themselves", {
  skip: CAN_GIVE_BACK ? false : "no calls of the system",
}, () => {
  for (const driver of Object.keys(DRIVERS) as DriverName[]) {
    const pageSizes = driver === "size-classes" ? { pageSizes: [4096] } : {};
    const kinds: [string, () => object, boolean][] = [
      ["private", () => ({}), false],
      ["private, giveBack", () => ({ giveBack: true }), true],
      ["of threads", () => ({ shared: true }), false],
      ["of threads, giveBack", () => ({ shared: true, giveBack: true }), true],
      ["of processes", () => ({ shared: sharedPath() }), true],
      ["of processes, not giveBack", () => ({ shared: sharedPath(), giveBack: false }), false],
    ];
    for (const [name, options, gives] of kinds) {
      it(`${driver}, ${name}: ${gives ? "does" : "does not"}`, (t) => {
        const pass = withClock(t);
        const pool = createPool(driver, { ...RUN, ...pageSizes, ...options() });
        const live = halfFree(pool);
        assert.ok(pool.freeTouchedBytes > 7 * MIB);
        pass(3 * LOOK_MS);
        const { freeTouchedBytes: free, touchedBytes: touched } = pool;
        assert.equal(free <= touched / 8, gives, `${free} of ${touched} are free`);
        finish(pool, live);
        pass(3 * LOOK_MS);
      });
    }
  }

  it("a shrink gives back what it released, in such a pool only", () => {
    for (const giveBack of [false, true]) {
      const onEvict = (handle: Handle, pool: Pool): boolean => {
        pool.free(handle);
        return true;
      };
      const pool = createPool("zbud", { maxPages: 100, giveBack, onEvict });
      fillUp(pool, 3900, 100);
      pool.shrinkPages(30);
      assert.equal(pool.touchedBytes, (giveBack ? 70 : 100) * 4096);
      pool.shrinkBytes(40_000);
      assert.equal(pool.touchedBytes, (giveBack ? 60 : 100) * 4096);
      pool.reclaimPage();
      assert.equal(
        pool.touchedBytes,
        (giveBack ? 60 : 100) * 4096,
        "a reclaim makes room for what comes next",
      );
      pool.close();
    }
  });

  it("who attaches gives back too: whoever made it may be gone", (t) => {
    const pass = withClock(t);
    const path = sharedPath();
    const made = createPool("zbud", { ...RUN, shared: path });
    halfFree(made);
    made.close();
    const joined = createPool("zbud", { ...RUN, shared: path });
    assert.ok(joined.freeTouchedBytes > 7 * MIB);
    pass(3 * LOOK_MS);
    assert.ok(joined.freeTouchedBytes < 2 * MIB);
    joined.close();
  });

  it("a lock that somebody keeps is not waited for", (t) => {
    const pass = withClock(t);
    const pool = createPool("zbud", { ...RUN, shared: true, giveBack: true });
    halfFree(pool);
    const { fast } = pool.buffers();
    const words = new Int32Array(fast?.memory.buffer as SharedArrayBuffer);
    const W_LOCK = 16;
    words[W_LOCK] = 5 << 1;
    pass(3 * LOOK_MS);
    assert.ok(pool.freeTouchedBytes > 7 * MIB);
    words[W_LOCK] = 0;
    pool.close();
  });

  it("is not for a pool whose caller has the lock", () => {
    assert.throws(
      () => createPool("zbud", { maxPages: 4, shared: true, lock: "caller", giveBack: true }),
      isCode("EINVAL", "giveBack", "trim"),
    );
  });

  it("keeps neither the process alive, nor the pool", () => {
    const program = `
      import { createPool } from ${JSON.stringify(new URL("../../src/drivers/index.ts", import.meta.url).href)};
      const made = () => new WeakRef(createPool("zbud", { maxPages: 16, giveBack: true }));
      const pool = made();
      await new Promise((resolve) => setImmediate(resolve));
      globalThis.gc();
      console.log(pool.deref() === undefined);`;
    const flags = ["--disable-warning=ExperimentalWarning", "--expose-gc", "--input-type=module"];
    const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, "--eval", program], {
      encoding: "utf8",
      timeout: 20_000,
    });
    assert.equal(stderr, "");
    assert.equal(status, 0);
    assert.equal(stdout, "true\n");
  });
});

describe("without the calls of the system", () => {
  it("nothing is given back, a pool works, and the fallback is noted", () => {
    const program = `
      import { createPool } from ${JSON.stringify(new URL("../../src/drivers/index.ts", import.meta.url).href)};
      import { fallbacks } from ${JSON.stringify(new URL("../../src/base/index.ts", import.meta.url).href)};
      const pool = createPool("zbud", { maxPages: 16, shared: true, giveBack: true });
      pool.free(pool.alloc(100));
      console.log(fallbacks().includes("give-back"), pool.trim(), pool.touchedBytes);`;
    const flags = ["--permission", "--allow-fs-read=*", "--input-type=module"];
    const { stdout, stderr } = spawnSync(process.execPath, [...flags, "--eval", program], {
      encoding: "utf8",
      timeout: 20_000,
    });
    assert.equal(stdout, "true 0 4096\n", stderr);
  });
});
