/** What is seen of memory that processes share without joining it, and how it is removed. */

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { ThreadRegistry } from "../../src/base/index.ts";
import { CompressedCache, createPool, removeShared } from "../../src/entry/index.ts";
import { lookAtSegment, Segment } from "../../src/memory/index.ts";
import { libcIfAny } from "../../src/memory/libc.ts";
import { encodeSegmentHeader, type SegmentHeader } from "../../src/memory/segment-header.ts";
import { freshPath } from "../support/fresh-path.ts";
import { isCode } from "../support/is-code.ts";
import { until } from "../support/until.ts";

const SKIP = { skip: libcIfAny() === undefined };
const { pid } = process;

function open(path: string): CompressedCache {
  return new CompressedCache({ maxBytes: "1MiB", shared: path });
}

describe("a look at shared memory", SKIP, () => {
  it("sees each thread that has a place, and no other", async () => {
    const path = freshPath();
    assert.equal(lookAtSegment(path), null);
    const cache = open(path);
    const twice = open(path);
    const own = [
      { pid, threadId: 0 },
      { pid, threadId: 0 },
    ];
    assert.deepEqual(lookAtSegment(path)?.threads, own);
    const program = `
      const { workerData, parentPort } = require("node:worker_threads");
      import(${JSON.stringify(new URL("../../src/entry/index.ts", import.meta.url).href)}).then(({ CompressedCache }) => {
        globalThis.cache = CompressedCache.attach(workerData);
        parentPort.on("message", () => cache.close() ?? process.exit());
        parentPort.postMessage("ready");
      });`;
    const worker = new Worker(program, { eval: true, workerData: cache.share() });
    const { threadId } = worker;
    await new Promise((resolve) => worker.once("message", resolve));
    assert.deepEqual(lookAtSegment(path)?.threads, [...own, { pid, threadId }]);
    await worker.terminate();
    // Its descriptor is closed when its environment has gone.
    await until("its place is free", () => lookAtSegment(path)?.threads?.length === 2);
    twice.close();
    assert.deepEqual(lookAtSegment(path)?.threads, own.slice(1));
    cache.close();
    assert.deepEqual(lookAtSegment(path)?.threads, []);
  });

  it("a thread sees the others", () => {
    const path = freshPath();
    const [one, other] = [open(path), open(path)];
    const segment = Segment.map(path, lookAtSegment(path)?.header as SegmentHeader);
    assert.equal(new ThreadRegistry(...segment.threads()).living().length, 2);
    const registry = new ThreadRegistry(...segment.threads());
    registry.enter();
    assert.equal(registry.living().length, 2, "itself left out");
    assert.equal(lookAtSegment(path)?.threads?.length, 3);
    segment.close();
    for (const cache of [one, other]) cache.close();
    assert.deepEqual(new ThreadRegistry(new Int32Array(1024), 0).living(), [], "memory of one process");
  });

  it("takes a description of any form for damaged", () => {
    const path = freshPath();
    open(path).close();
    const found = lookAtSegment(path);
    assert.ok(found?.header);
    const { description, ...header } = found.header;
    const before = readFileSync(path);
    const { areas } = description;
    for (const changed of [
      null,
      "text",
      {},
      { ...description, areas: null },
      { ...description, areas: [null] },
      { ...description, areas: [] },
      { ...description, threads: [9999, 0] },
      { ...description, threads: ["area", {}] },
      { ...description, threads: [0, -(2 ** 40)] },
      { ...description, threads: [0, 2 ** 60] },
      { ...description, areas: [{ ...areas[0], offset: 2 ** 52 }] },
    ]) {
      writeFileSync(path, before);
      const bytes = encodeSegmentHeader({ ...header, description: changed as never });
      writeFileSync(path, Buffer.concat([bytes, before.subarray(bytes.length)]));
      const look = lookAtSegment(path);
      assert.ok(look?.state === "damaged" || look?.threads?.length === 0, JSON.stringify(changed));
    }
  });
});

describe("removeShared", SKIP, () => {
  it("removes what nobody uses, and says whether there was any", () => {
    const path = freshPath();
    assert.equal(removeShared(path), false);
    assert.equal(removeShared(`${path}/none/here`), false);
    const pool = createPool("zbud", { maxPages: 10, shared: path });
    assert.throws(() => removeShared(path), isCode("EBUSY", `process ${pid}`));
    pool.close();
    assert.equal(removeShared(path), true);
    assert.equal(existsSync(path), false);
    const name = `remove-${pid}`;
    open(name).close();
    assert.equal(removeShared(name), true);
    assert.equal(removeShared(name), false);
  });

  it("by force, those that use it go on apart from those that come", () => {
    const path = freshPath();
    const before = open(path);
    before.set("key", "before");
    assert.equal(removeShared(path, { force: true }), true);
    const after = open(path);
    assert.equal(after.get("key"), undefined);
    assert.equal(before.get("key"), "before");
    before.close();
    after.close();
    removeShared(path);
  });

  it("leaves other files, and refuses what is no name or option", () => {
    const path = freshPath();
    writeFileSync(path, "something else");
    assert.throws(() => removeShared(path, { force: true }), isCode("EEXIST", path));
    assert.throws(() => removeShared("a name"), isCode("EINVAL", "name", "a name"));
    assert.throws(() => removeShared(path, { forced: true } as never), isCode("EINVAL", "forced"));
    assert.throws(() => removeShared(path, { force: 1 as never }), isCode("EINVAL", "force"));
  });
});
