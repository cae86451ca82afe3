import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { ZbudError } from "../../src/base/index.ts";
import { CacheCore } from "../../src/cache/core.ts";
import { leaseLayout, WAYS } from "../../src/cache/lease-layout.ts";
import { Leases } from "../../src/cache/leases.ts";
import {
  SharedState,
  sharedStateBytes,
  sharedStateMemory,
  sharedStateShape,
} from "../../src/cache/shared-state.ts";
import { verify } from "../../src/diagnostics/index.ts";

/** Threads at one shared state memory, of which some can be said to be gone. */
function open(maxBytes = 2 ** 20) {
  const shape = sharedStateShape(maxBytes, false, 0);
  const memory = sharedStateMemory(sharedStateBytes(shape), false);
  const gone = new Set<number>();
  const attach = (member: number): Leases => {
    return new Leases(new SharedState(memory, shape), {
      member,
      isGone: (of) => gone.has(of),
      fullness: () => 0,
      exclusively: (work) => work(),
    });
  };
  const sharedState = new SharedState(memory, shape);
  const layout = leaseLayout(shape);
  const slots = shape.leaseGroups * WAYS;
  return { attach, sharedState, gone, isIdle: () => isIdle(sharedState), layout, slots };
}

/** Whether a change costs no more than two looks, whatever its key. */
function isIdle({ words, leases: at, shape }: SharedState): boolean {
  const groups = at + leaseLayout(shape).groups;
  return words[at] === 0 && words.subarray(groups, groups + shape.leaseGroups).every((word) => word === 0);
}

describe("leases", () => {
  it("a change of the key revokes it, whoever makes it; of another key, of the same group too, does not", () => {
    const { attach, isIdle } = open();
    const [a, b] = [attach(1), attach(2)];
    for (const by of [a, b]) {
      const lease = a.take(5, 7);
      by.changed(5, 7 + 2 ** 20);
      by.changed(6, 7);
      assert.ok(a.holds(lease));
      by.changed(5, 7);
      assert.ok(!a.holds(lease));
      a.renew(lease);
      assert.ok(a.holds(lease));
      a.end(lease);
      assert.ok(!a.holds(lease));
      a.end(lease);
      assert.ok(isIdle());
    }
  });

  it("several leases of one key, of several threads", () => {
    const { attach, isIdle } = open();
    const [a, b] = [attach(1), attach(2)];
    const leases = [a.take(5, 7), a.take(5, 7)];
    const others = [b.take(5, 7), b.take(9, 7)];
    a.changed(5, 7);
    assert.deepEqual(
      leases.map((lease) => a.holds(lease)),
      [false, false],
    );
    assert.deepEqual(
      others.map((lease) => b.holds(lease)),
      [false, true],
    );
    const later = b.take(5, 7);
    assert.ok(b.holds(later));
    for (const lease of leases) a.end(lease);
    assert.ok(b.holds(later));
    b.close();
    assert.ok(isIdle());
    assert.ok(!b.holds(later));
  });

  it("more than there are slots: all hold until their key is changed, by their thread exactly", () => {
    const { attach, isIdle, slots } = open();
    const [a, b] = [attach(1), attach(2)];
    const leases = Array.from({ length: 3 * slots }, (_, i) => a.take(i, i));
    assert.ok(leases.every((lease) => a.holds(lease)));
    for (let i = 0; i < leases.length; i += 2) a.changed(i, i);
    assert.ok(leases.every((lease, i) => a.holds(lease) === (i % 2 === 1)));
    for (let i = 1; i < leases.length; i += 4) b.changed(i, i);
    assert.ok(leases.every((lease, i) => i % 4 !== 1 || !a.holds(lease)));
    for (const lease of leases) a.end(lease);
    assert.ok(isIdle());
  });

  it("what dead threads leave costs nothing once somebody looked", () => {
    const { attach, gone, isIdle, slots, sharedState, layout } = open();
    const living = attach(3);
    for (const leave of [1, slots, 3 * slots]) {
      const dead = attach(1);
      for (let i = 0; i < leave; i++) dead.take(i, i);
      dead.beginFile();
      living.sweep();
      assert.ok(!isIdle(), "a thread that is not gone keeps what it has");
      gone.add(1);
      living.sweep(1);
      assert.ok(isIdle());
      gone.clear();
    }
    // A thread that died between two steps: a group or a list that says that there is something, and is empty.
    sharedState.words[sharedState.leases + layout.groups] = 1;
    sharedState.words[sharedState.leases] = 3;
    living.sweep();
    assert.ok(isIdle());
  });

  it("slots that dead threads hold are found by who needs one", () => {
    const { attach, gone, slots } = open();
    const dead = attach(1);
    for (let i = 0; i < slots; i++) dead.take(i, i);
    gone.add(1);
    const lease = attach(2).take(1, 1);
    assert.ok(lease.slot >= 0);
  });

  it("a thread that was wrongly said to be gone stores nothing by a lease that it lost", () => {
    const { attach, gone } = open();
    const [a, b] = [attach(1), attach(2)];
    const lease = a.take(5, 7);
    gone.add(1);
    b.sweep();
    const other = b.take(5, 7);
    assert.ok(!a.holds(lease));
    b.changed(5, 7);
    a.renew(lease);
    assert.ok(!a.holds(lease) && !b.holds(other), "nor does it renew that of another");
    b.renew(other);
    a.end(lease);
    assert.ok(b.holds(other));
  });

  it("of what was changed while a file is read nothing holds, of the rest more than 99 %", () => {
    const { attach, isIdle } = open(2 ** 24);
    const [a, b] = [attach(1), attach(2)];
    const hash = (i: number, by: number): number => Math.imul(Math.imul(i + 1, by) ^ (i << 9), 0x85eb_ca6b);
    const keyOf = (i: number): [number, number] => [hash(i, 0x9e37_79b1), hash(i, 0xc2b2_ae35)];
    for (let round = 0; round < 3; round++) {
      const since = a.beginFile();
      // A quarter of the entries of a cache of 16 MiB.
      for (let i = 0; i < 10_000; i++) (i % 2 === 0 ? a : b).changed(...keyOf(round * 1e6 + i));
      let wrong = 0;
      for (let i = 0; i < 50_000; i++) {
        const holds = a.fileHolds(since, ...keyOf(round * 1e6 + i));
        if (i < 10_000) assert.ok(!holds);
        else if (!holds) wrong++;
      }
      assert.ok(wrong < 400, `${wrong} of 40,000 are wrongly left out`);
      a.endFile();
      assert.ok(isIdle());
    }
  });

  it("files that are read at once know of what was changed since each began", () => {
    const { attach } = open();
    const [a, b] = [attach(1), attach(2)];
    const first = a.beginFile();
    b.changed(1, 1);
    const second = b.beginFile();
    a.changed(2, 2);
    a.isReadingFile = true;
    a.changed(3, 3);
    assert.deepEqual(
      [1, 2, 3].map((i) => a.fileHolds(first, i, i)),
      [false, false, true],
    );
    assert.equal(b.fileHolds(second, 2, 2), false);
    a.endFile();
    b.changed(4, 4);
    assert.equal(b.fileHolds(second, 4, 4), false);
    b.endFile();
  });

  it("a thread that was terminated while it loaded", { timeout: 20_000 }, async () => {
    const core = CacheCore.create({ maxBytes: "4MiB" }, {});
    const loading = `
      const { parentPort, workerData } = require("node:worker_threads");
      import(workerData.module).then(({ CompressedCache }) => {
        const cache = CompressedCache.attach(workerData.shared);
        for (let i = 0; i < 1000; i++) cache.getOrSet(i, () => new Promise(() => setTimeout(() => {}, 1e6)));
        cache.load("/dev/zero").catch(() => {});
        parentPort.postMessage("loading");
      });`;
    const module = new URL("../../src/cache/index.ts", import.meta.url).href;
    const worker = new Worker(loading, { eval: true, workerData: { shared: core.share(), module } });
    const { threadId } = worker;
    await once(worker, "message");
    assert.ok(!isIdle(core.sharedState));
    await worker.terminate();
    core.threadGone(threadId);
    assert.ok(isIdle(core.sharedState));
    verify(core.engine);
    core.close();
  });

  it("a cache that cannot give them back, since another thread keeps the lock, is closed all the same", () => {
    const core = CacheCore.create({ maxBytes: "1MiB" }, {});
    core.engine.exclusively = () => {
      throw new ZbudError("EAGAIN", "the lock was held for too long");
    };
    assert.throws(() => core.close(), { code: "EAGAIN" });
    assert.ok(core.engine.isClosed);
  });
});
