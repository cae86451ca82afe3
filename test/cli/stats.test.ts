/** `zbud stats`, `zbud verify` and `zbud top` of memory that processes share, with real processes at it. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { openMemory, type SharedThing } from "../../src/cli/shared-memory.ts";
import { CompressedCache, removeShared, verify } from "../../src/entry/index.ts";
import type { SegmentDescription } from "../../src/memory/segment-header.ts";
import { isCode } from "../support/is-code.ts";
import { ended, run, start } from "./command.ts";
import {
  CAN_SHARE,
  changeHeader,
  freshPath,
  headerOf,
  hold,
  infoAt,
  left,
  refused,
  said,
  writeAt,
  writeEntries,
} from "./holding.ts";
import { MAKERS } from "./shared-things.ts";

describe("zbud stats", { skip: !CAN_SHARE }, () => {
  const KINDS: [what: string, counts: object, text: RegExp][] = [
    ...["cache", "cache with a codec of its own", "cache with a file"].map((what): (typeof KINDS)[number] => {
      return [what, { entries: 500, sets: 500, hits: 0, misses: 0 }, /^CompressedCache: 500 entries/];
    }),
    ...["store", "store with a file"].map((what): (typeof KINDS)[number] => {
      return [
        what,
        { storedPages: 500, stores: 500, loads: 0, writtenBackPages: 0 },
        /^PageStore: 500 pages/,
      ];
    }),
    ...["zbud", "slots", "zsmalloc", "size-classes", "log"].map((driver): (typeof KINDS)[number] => {
      return [driver, { objects: 500 }, new RegExp(`^${driver} pool: 500 objects`)];
    }),
  ];
  for (const [what, counts, text] of KINDS) {
    it(`opens what it is without its options, and changes nothing: ${what}`, async () => {
      const path = freshPath();
      const thing = (await MAKERS[what](path)) as SharedThing;
      const { fallbacks: _, ...before } = thing.stats() as { fallbacks?: unknown };
      for (let look = 0; look < 2; look++) {
        const opened = openMemory(path);
        const { processes, pages } = opened.info();
        assert.deepEqual(processes, [{ pid: process.pid, threads: 1 }], "without the looker");
        const { fallbacks: __, ...stats } = opened.thing.stats() as { fallbacks?: unknown };
        assert.deepEqual(stats, before);
        assert.deepEqual({ ...stats, ...counts }, stats);
        assert.match(String(opened.thing), text);
        if (pages !== null) assert.equal((stats as { pages?: number }).pages, pages, "list counts the same");
        verify(opened.thing);
        opened.close();
      }
      assert.equal(infoAt(path).processes?.[0].threads, 1, "its place is free again");
      await thing.close();
    });
  }

  it("as text: whose, figures with units, words", async () => {
    const path = freshPath();
    const holder = await hold("cache", path);
    const text = await said(["stats", path]);
    assert.match(
      text,
      new RegExp(`^${path} {2}${path}\ncache, .* of 8 MiB, used by ${holder.pid}, \\d+ s old\n\n`),
    );
    assert.match(text, /^entries +500$/m);
    assert.match(text, /^bytes reserved +8 MiB$/m);
    assert.match(text, /^reject no memory +0$/m);
    assert.match(text, /^dictionary: state +off$/m);
    assert.doesNotMatch(text, /fallbacks/);
    const pool = await said(["stats", await left("zbud")]);
    assert.match(pool, /█.* size histogram$/m);
    assert.match(pool, /used by nobody/);
    await holder.end();
  });

  it("one line says what is in the way", async () => {
    const path = await left("cache");
    const name = `near-${process.pid}`;
    await left("cache", name);
    try {
      await refused(["stats", `naer-${process.pid}`], 2, new RegExp(`did you mean "${name}"\\?`));
      const why = '"nothing-like-it" that processes share (zbud list';
      assert.throws(() => openMemory("nothing-like-it"), isCode("ENOENT", why));
    } finally {
      removeShared(name);
    }
    const changes: [(description: SegmentDescription) => object, RegExp][] = [
      [() => ({ boot: "another" }), /is of an earlier start of the machine/],
      [() => ({ layout: "cache 1" }), /was made by another version of zbud/],
      [() => ({ kind: "index" }), /holds the index of a file/],
      [() => ({ kind: "heap" }), /holds a heap, which this version/],
      [
        ({ shared }) => {
          const { engine } = shared as { engine: { shape: object } };
          const shape = { ...engine.shape, drivers: ["mine"] };
          return { shared: { ...(shared as object), engine: { ...engine, shape } } };
        },
        /was made with the driver "mine", which this command has not \(it has zbud, slots/,
      ],
    ];
    const before = headerOf(path).description;
    for (const [change, why] of changes) {
      changeHeader(path, change);
      assert.throws(() => openMemory(path), why);
      changeHeader(path, () => before);
    }
    assert.throws(() => openMemory(import.meta.filename), isCode("EINVAL", "another kind of file"));
    await refused(["stats"], 2, /missing required argument/);
  });
});

describe("zbud verify", { skip: !CAN_SHARE }, () => {
  it("what contradicts itself: exit code 1", async () => {
    const path = await left("cache");
    writeEntries(path, 499);
    await refused(["verify", path], 1, /: 500 entries in hash chains, 499 counted/);
    writeEntries(path, 500);
    assert.match(await said(["verify", path]), /: ok, CompressedCache: 500 entries, /);
    writeAt(path, 100, new Uint8Array([1]));
    await refused(["verify", path], 1, /is damaged: whoever opens it by its name makes it anew/);
  });

  it("keeps nobody waiting for long, unless it is told", async () => {
    const path = freshPath();
    const holder = await hold("cache", path);
    writeEntries(path, 2_000_000);
    const why = new RegExp(
      `is used by ${holder.pid}, which would wait while its 2,000,000 entries are walked`,
    );
    await refused(["verify", path], 2, why);
    await refused(["verify", path, "--force"], 1, / 2000000 counted/);
    await holder.end();
  });

  it("holds while processes work, and when they are killed at it", async () => {
    const path = freshPath();
    const steady = await hold("cache", path, "busy");
    for (let round = 0; round < 3; round++) {
      const holder = await hold("cache", path, "busy");
      const looks = [run(["verify", path]), run(["stats", path]), run(["list", path])];
      await holder.end("SIGKILL");
      for (const { code, stderr } of await Promise.all(looks)) assert.deepEqual([code, stderr], [0, ""]);
    }
    await steady.end("SIGKILL");
    assert.match(await said(["verify", path]), /: ok, /);
    assert.deepEqual(infoAt(path).processes, []);
  });
});

describe("zbud top", { skip: !CAN_SHARE }, () => {
  it("what changes, each second", async () => {
    const path = freshPath();
    const holder = await hold("cache", path, "busy");
    const text = await said(["top", path, "--count", "2", "--every", "1000"]);
    const [first, second] = text.split("\n\n").filter((part) => part.startsWith("counter"));
    assert.match(first, /^sets +[\d,]+$/m);
    assert.match(second, /^sets +[\d,]+ +\+[\d,]+$/m);
    assert.match(text, new RegExp(`^cache, .* of 8 MiB, used by ${holder.pid}, `, "m"));
    await holder.end("SIGKILL");
    const single = await said(["top", path, "--once"]);
    assert.equal(single.match(/^counter/gm)?.length, 1);
    assert.match(single, /used by nobody/);
    await refused(["top", path, "--once", "--count", "2"], 2, /cannot be used with/);
  });

  it("ends when the memory is removed", async () => {
    const path = freshPath();
    const holder = await hold("store", path);
    const child = start(["top", path, "--every", "100"]);
    await once(child.stdout as NodeJS.ReadableStream, "readable");
    // It may end before the other command does.
    const ending = ended(child);
    await said(["rm", path, "--force"]);
    const { code, stderr } = await ending;
    assert.equal(code, 2);
    assert.match(stderr, /was removed or replaced/);
    await holder.end();
  });
});

describe("a cache that was looked at", { skip: !CAN_SHARE }, () => {
  it("keeps its order of eviction", async () => {
    const path = freshPath();
    const cache = new CompressedCache({ maxBytes: "1MiB", shared: path });
    for (let i = 0; i < 100; i++) cache.set(`key ${i}`, "value");
    const keys = [...cache.keys()];
    for (const command of ["list", "stats", "verify", "top --once"])
      await said([...command.split(" "), path]);
    assert.deepEqual([...cache.keys()], keys);
    assert.equal(cache.stats().hits + cache.stats().misses, 0);
    assert.equal(cache.recover(), 0, "nobody left anything behind");
    cache.close();
  });
});
