/**
 * A thread is cut off between any two statements of the engine: every operation ends there for ever, and the
 * shard is repaired as by whoever takes the lock from a dead thread; also a repair that is cut off itself.
 *
 * The cut is an exception, which nothing in the engine catches but to leave its lock to nobody: what it leaves
 * in the shared buffers is what a dead thread leaves.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { temporaryFolder } from "../../scripts/tools.ts";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import type { EngineOptions, EntryAttributes } from "../../src/engine/index.ts";
import { buildWithPoints, type Point, type Where } from "../threads/instrument.ts";
import type * as Entry from "./points-entry.ts";

const all = (...names: string[]): Where[string] => ({ all: true, names: ["constructor", ...names] });
/** Functions left out change nothing, or make the buffers before anybody else has them. */
const WHERE: Where = {
  "src/engine/shard.ts": all(
    ...["enter", "leave", "abandon", "locked", "repair", "isCurrent", "describe", "describeWhole"],
    ...["describeNamed", "readBytes"],
    ...["trim", "usePool", "mayEvict", "isKept"],
  ),
  "src/engine/shard-pools.ts": all(
    "trim",
    "bytesTouched",
    "bytesHeld",
    "bytesUsed",
    "bytesResident",
    "isTouched",
  ),
  "src/engine/writeback-marks.ts": all(
    ...["forgetWriting", "dirtyCount", "dirtyRows", "isNearlyFull", "listedBytes", "rowsBeingWritten"],
  ),
  "src/engine/rows.ts": all("format", "at", "find", "stateOf"),
  "src/engine/eviction/queue.ts": all("first", "last", "before", "after", "at"),
  "src/engine/eviction/lru.ts": all("fault", "first", "next", "start"),
  "src/engine/eviction/sieve.ts": all("fault", "start"),
  "src/engine/fragments.ts": all("handleOf", "poolOf", "read", "readOn", "skip", "here", "startsWith"),
  "src/engine/expiries.ts": all("fault", "deadlineOf", "first"),
  "src/engine/repair.ts": all(),
  "src/engine/shrinking.ts": all(
    ...["bytesPacked", "isOnBlocks", "eachObject", "hasRowFrom", "isEntryIn", "sparseBlocks"],
    ...["looseBytes"],
    ...["giveBack", "isOver"],
  ),
  "src/drivers/log/allocator.ts": all(
    ...["close", "trim", "objects", "stats", "inside", "roomInOpenPage", "allowPages", "touchedBytes"],
    ...["metadataBytes", "pageBytes", "looseBytes", "positions", "objectAt", "pageBytesOf"],
    ...["startReclaim", "endReclaim", "endReclaims", "giveBack", "repair", "openBytes"],
  ),
  "src/drivers/zbud/allocator.ts": all("find", "place", "close", "trim", "objects", "stats", "snapshot"),
};

type Hooked = { zbudPoint?: ((point: number) => void) | undefined };
const hooked = globalThis as Hooked;

class Death extends Error {}

/** Names of a scenario: some plain, some with a prefix, one same-filled, one of several objects, some that expire. */
const NAMES = 24;
const NONE = new Uint8Array(0);
/** The codec of new values. */
const LZ4 = 2;

function makeValue(id: number, version: number): Uint8Array {
  const value = new Uint8Array(id % 7 === 0 ? 9000 : 300 + 61 * id);
  if (id % 5 === 3) return value.fill(id + version);
  const prng = new Prng(id * 100 + version + 1);
  for (let i = 0; i < value.length; i++) value[i] = prng.chance(0.5) ? prng.below(256) : id;
  return value;
}

/** The drivers are known once they are built. */
type ScenarioOptions = Partial<EngineOptions> & { twoDrivers?: boolean; usesLog?: boolean };

describe("an engine's operation that is cut off anywhere", () => {
  const folder = temporaryFolder("engine-points");
  const visited = new Set<number>();
  let entry: typeof Entry;
  let points: Point[];

  before(async () => {
    const file = join(folder, "engine.mjs");
    points = await buildWithPoints(join(import.meta.dirname, "points-entry.ts"), WHERE, file);
    entry = (await import(pathToFileURL(file).href)) as typeof Entry;
  });

  /** An engine with entries in it, and what is done to it. */
  function setup({ twoDrivers = false, usesLog = false, ...options }: ScenarioOptions) {
    const settings = {
      maxBytes: 130_000,
      driver: usesLog ? entry.logDriver : entry.zbudDriver,
      averageBytes: 900,
      shared: true,
      shards: 1,
      expiry: true,
      ...(twoDrivers ? { drivers: [entry.slotsDriver] } : {}),
      ...options,
    };
    const opened = entry.openEngine(settings);
    const engine = new entry.Engine(settings, opened);
    const attributes: EntryAttributes = entry.entryAttributes();
    const put = (id: number, version: number, now = 0): string => {
      const value = makeValue(id, version);
      attributes.prefix = new Uint8Array(id % 3 === 0 ? 10 : 0).fill(id);
      attributes.prefixLength = attributes.prefix.length;
      attributes.expiresAt = id % 4 === 1 ? 100 + id : 0;
      return engine.put(id % 3 === 0 ? 1 : id, 0, value, value.length, attributes, now);
    };
    const nameOf = (id: number): [number, number, Uint8Array, number] => {
      const prefix = id % 3 === 0 ? new Uint8Array(10).fill(id) : NONE;
      return [id % 3 === 0 ? 1 : id, 0, prefix, prefix.length];
    };
    for (let id = 1; id <= NAMES; id++) put(id, 0);
    return { engine, opened, put, nameOf };
  }
  type Setup = ReturnType<typeof setup>;

  /** Every entry that is there has its value, the old one or the new; those that nobody touched are there. */
  function check({ engine, nameOf }: Setup, kept: ReadonlySet<number>): void {
    verify(engine);
    const into = new Uint8Array(10_000);
    for (let id = 1; id <= NAMES + 1; id++) {
      const isThere = engine.lookup(...nameOf(id), 0, false);
      if (!isThere) {
        assert.ok(!kept.has(id), `entry ${id} is lost`);
        continue;
      }
      const found = into.subarray(0, engine.decode(into));
      const isRight = [0, 1].some((version) => Buffer.compare(found, makeValue(id, version)) === 0);
      assert.ok(isRight, `entry ${id} has other bytes`);
    }
  }

  /** As whoever takes the lock over does it. */
  function takeOver({ opened }: Setup): void {
    for (const shard of opened.shards) shard.repair();
    opened.header.fill(0, 16, 16 + 16 * opened.shards.length);
  }

  function run(work: () => void, stopAt: number): number[] {
    const trail: number[] = [];
    hooked.zbudPoint = (point) => {
      if (trail.push(point) === stopAt) throw new Death();
    };
    try {
      work();
      assert.equal(stopAt, 0, "the way is always the same");
    } catch (error) {
      if (!(error instanceof Death)) throw error;
    } finally {
      hooked.zbudPoint = undefined;
    }
    return trail;
  }

  /** The first and the last time at each point, and a sample. */
  function timesOf(trail: readonly number[], every: number): number[] {
    return trail.flatMap((point, i) => {
      const isWanted =
        trail.indexOf(point) === i || trail.lastIndexOf(point) === i || i % every === every - 1;
      return isWanted ? [i + 1] : [];
    });
  }

  const full = { maxBytes: 74_000, averageBytes: 900 };
  const scenarios: [string, ScenarioOptions, (setup: Setup) => void][] = [
    ["a new value", {}, ({ put }) => put(NAMES + 1, 0)],
    ["values of many objects, which evict others", full, ({ put }) => [7, 28, 35].map((id) => put(id, 1))],
    ["a value in place of another", {}, ({ put }) => put(5, 1)],
    ["with a prefix, expiring", {}, ({ put }) => put(9, 1)],
    ["same-filled", {}, ({ put }) => put(8, 1)],
    ["kept as it is", { codec: "none" }, ({ put }) => put(5, 1)],
    ["due entries go first", full, ({ put }) => [28, 35, 42].map((id) => put(id, 1, 110))],
    ["by page", { ...full, evict: "page" }, ({ put }) => [28, 35, 42].map((id) => put(id, 1))],
    ["few entries", { maxEntries: 10 }, ({ put }) => put(5, 1)],
    [
      "by SIEVE, a lookup before",
      { ...full, evict: "sieve" },
      ({ engine, put, nameOf }) => {
        for (const id of [10, 11, 16, 22]) engine.lookup(...nameOf(id), 0, true);
        for (const id of [28, 35, 42]) put(id, 1);
        engine.remove(...nameOf(NAMES));
      },
    ],
    [
      "by SIEVE, what may not go, stays",
      { ...full, evict: "sieve" },
      ({ opened, put }) => {
        opened.hooks.onEvict = ({ k0 }) => k0 % 2 === 0;
        for (const id of [28, 35, 42]) put(id, 1);
      },
    ],
    [
      "by SIEVE, recompression with the hand somewhere",
      { ...full, evict: "sieve" },
      ({ engine, put }) => {
        put(28, 1);
        new entry.Recompressor(engine).recompress(engine.addCodec(strong()), 30);
      },
    ],
    [
      "hooks are told of changes and of what goes, and asked about copies",
      { ...full, onChange: () => {}, onRemoved: () => {}, hasCopy: ({ k0 }) => k0 % 2 === 0 },
      ({ engine, put }) => {
        const taken: [number, number][] = [];
        entry.startWriteback(
          engine,
          0,
          8,
          ({ row, version }) => taken.push([row, version]),
          () => {},
        );
        for (const [row, version] of taken) {
          entry.endWriteback(engine, 0, row, version, "clean");
          if (!engine.readRow(0, row, version)) continue;
          const { k0, k1, bytes, prefixLength } = engine.found;
          engine.setExpiry(k0, k1, bytes, prefixLength, 150);
        }
        for (const id of [28, 35, 42]) put(id, 1);
      },
    ],
    [
      "what may not go, stays",
      full,
      ({ opened, put }) => {
        opened.hooks.onEvict = ({ k0 }) => k0 % 2 === 0;
        for (const id of [28, 35, 42]) put(id, 1);
      },
    ],
    [
      "removal",
      {},
      ({ engine, nameOf }) => {
        engine.remove(...nameOf(7));
        engine.remove(...nameOf(9));
        engine.remove(...nameOf(8));
      },
    ],
    [
      "a lookup that touches, one that finds an entry due",
      {},
      ({ engine, nameOf }) => {
        engine.lookup(...nameOf(3), 0, true);
        engine.lookup(...nameOf(5), 200, true);
      },
    ],
    [
      "expiry",
      {},
      ({ engine, nameOf }) => {
        engine.setExpiry(...nameOf(2), 50);
        engine.setExpiry(...nameOf(5), 0);
        engine.lookup(...nameOf(3), 0, true);
        engine.setExpiry(...nameOf(3), 300, engine.found);
        engine.expire(110, 10);
      },
    ],
    [
      "recompression",
      {},
      ({ engine }) => new entry.Recompressor(engine).recompress(engine.addCodec(strong()), 30),
    ],
    [
      "recompression of what was looked at before",
      {},
      ({ engine }) => {
        new entry.Recompressor(engine).recompress(engine.addCodec(strong()), 30);
        const again = new entry.Recompressor(engine, { lookedBy: 255 });
        for (let step = 0; step < 3; step++) again.recompress(LZ4, 30);
      },
    ],
    [
      "recompression of a full engine, which evicts for it",
      full,
      ({ engine, put }) => {
        for (const id of [28, 35, 42]) put(id, 1);
        new entry.Recompressor(engine, { evictsBy: () => 0 }).recompress(engine.addCodec(strong()), 30);
      },
    ],
    [
      "walks for what is cold, a use in between",
      {},
      ({ engine, nameOf }) => {
        const cold = engine.addCodec(strong());
        const codecs = { cold, warm: LZ4, isCold: (codec: number) => codec === cold };
        const walk = (): void => {
          const pass = new entry.ColdPass(engine, codecs, 2 ** 20, () => 0);
          while (pass.step(3));
        };
        walk();
        walk();
        for (let id = 0; id < 8; id++) engine.lookup(...nameOf(id), 0, true);
        walk();
      },
    ],
    [
      "writeback",
      {},
      ({ engine }) => {
        const taken: [number, number][] = [];
        const take = (found: { row: number; version: number }): void => {
          taken.push([found.row, found.version]);
        };
        entry.startWriteback(engine, 0, 3, take, () => {});
        for (const [row, version] of taken) {
          entry.endWriteback(engine, 0, row, version, "clean");
          if (!engine.readRow(0, row, version)) continue;
          const { k0, k1, bytes, prefixLength } = engine.found;
          engine.setExpiry(k0, k1, bytes, prefixLength, 150);
        }
        entry.startWriteback(
          engine,
          0,
          6,
          () => {},
          () => {},
        );
        entry.startWritebackOf(
          engine,
          0,
          engine.rowsOf(0).subarray(0, 6),
          () => {},
          () => {},
        );
        engine.removeRow(0, engine.rowsOf(0)[0], engine.rowsOf(0)[1]);
      },
    ],
    [
      "writing ahead, and what is being written goes",
      {
        ...full,
        onEvict: () => true,
        evictsWriting: true,
        hasCopy: ({ k0 }) => k0 % 2 === 0,
        onOutdated: () => {},
      },
      ({ engine, put }) => {
        const taken: [number, number][] = [];
        const limits = { looks: 20, share: 1, max: 8, maxBytes: 4000 };
        entry.startWritingAhead(engine, 0, limits, ({ row, version }) => taken.push([row, version]));
        for (const [i, [row, version]] of taken.entries()) {
          if (i % 2 === 0 && engine.readRow(0, row, version)) {
            const { k0, k1, bytes, prefixLength } = engine.found;
            engine.setExpiry(k0, k1, bytes, prefixLength, 150);
          }
          if (i < 3) entry.endWriteback(engine, 0, row, version, i === 0 ? "failed" : "clean");
        }
        const rows = engine.rowsOf(0).slice(-8);
        entry.writeListed(engine, 0, rows, false, ({ k0 }) => k0 % 2 === 0);
        entry.writeListed(engine, 0, rows, true, () => true);
        const again: number[] = [];
        const note = ({ row, version }: { row: number; version: number }): number => again.push(row, version);
        entry.startWritingAhead(engine, 0, { ...limits, max: 3 }, note);
        entry.unmark(engine, 0, Int32Array.from(again.slice(0, 2)));
        for (const id of [28, 35, 42]) put(id, 1);
      },
    ],
    [
      "another driver, to which entries move",
      { maxBytes: 200_000, twoDrivers: true },
      ({ engine, put }) => {
        engine.useDriver("slots", entry.migrationOf);
        for (const id of [5, 7, 28, 35]) put(id, 1);
        entry.shrinkBytes(engine, 4000, 0);
      },
    ],
    [
      "another driver, when all memory is taken",
      { ...full, twoDrivers: true },
      ({ engine, put }) => {
        engine.useDriver("slots", entry.migrationOf);
        for (const id of [28, 35, 42, 5, 49, 56]) put(id, 1);
      },
    ],
    [
      "a value of several blocks",
      {},
      ({ engine }) => {
        const value = new Uint8Array(2 ** 21 + 5000);
        for (let i = 0; i < 5000; i++) value[2 ** 20 + i] = i * i;
        const attributes = entry.entryAttributes();
        attributes.prefix = Uint8Array.of(NAMES + 1);
        attributes.prefixLength = 1;
        const packer = new entry.BlockPacker(engine);
        packer.addAll(value, value.length, engine.maxEntrySize);
        engine.putPacked(NAMES + 1, 7, packer, attributes, 0);
      },
    ],
    [
      "pages that are cleaned, the limit reached",
      { ...full, usesLog: true },
      ({ engine, put, nameOf }) => {
        for (const id of [3, 9, 12, 17, 22, 24]) engine.remove(...nameOf(id));
        for (const id of [29, 31, 37, 45, 47, 52, 53, 55, 28, 59, 60, 61, 62]) put(id, 1);
      },
    ],
    [
      "rows that are given up, some at a time, and are wanted again",
      { ...full, usesLog: true, maxBytes: 120_000 },
      ({ engine, opened, put, nameOf }) => {
        for (let id = 1; id <= 15; id++) engine.remove(...nameOf(id));
        const packer = new entry.RowPacker(opened.shards);
        let looks = 0;
        packer.step(() => looks++ > 0);
        for (const id of [28, 35, 42]) put(id, 1);
        packer.step(() => false);
      },
    ],
    ["shrinking", {}, ({ engine }) => entry.shrinkBytes(engine, 10_000, 0)],
    [
      "a lower limit: some go, the rest moves together",
      { averageBytes: 300 },
      ({ engine, nameOf }) => {
        for (const id of [1, 2, 3, 4, 6, 10, 11, 12, 13, 15]) engine.remove(...nameOf(id));
        engine.resize(90_000, 110);
        engine.resize(130_000, 110);
      },
    ],
    ["clearing", {}, ({ engine }) => engine.clear()],
  ];

  /** A codec that makes less of most values: it drops what `makeValue` repeats. */
  function strong() {
    return {
      name: "strong",
      id: 200,
      maxCompressedLength: (n: number) => n,
      compress: (source: Uint8Array, target: Uint8Array): number => {
        target[0] = source[0];
        new DataView(target.buffer, target.byteOffset).setUint16(2, source.length);
        kept.set(`${source[0]} ${source.length}`, source.slice());
        return 4;
      },
      decompress: (source: Uint8Array, target: Uint8Array): number => {
        const length = new DataView(source.buffer, source.byteOffset).getUint16(2);
        target.set(kept.get(`${source[0]} ${length}`) ?? NONE);
        return length;
      },
    };
  }
  const kept = new Map<string, Uint8Array>();

  for (const [name, options, work] of scenarios) {
    it(name, () => {
      const dryRun = setup(options);
      const before = new Set<number>();
      const idsOf = (of: Setup): number[] =>
        Array.from({ length: NAMES }, (_, i) => i + 1).filter((id) =>
          of.engine.contains(...of.nameOf(id), 0),
        );
      for (const id of idsOf(dryRun)) before.add(id);
      const trail = run(() => work(dryRun), 0);
      // What the whole operation keeps, a part of it keeps; but for values that it was to replace.
      const versions = name.includes("lookup") || name.includes("recompression");
      const keptIds = new Set(idsOf(dryRun).filter((id) => before.has(id) && (versions || !touched(id))));
      assert.ok(trail.length > 0);
      for (const time of timesOf(trail, 200)) {
        const point = trail[time - 1];
        visited.add(point);
        const one = setup(options);
        try {
          run(() => work(one), time);
          takeOver(one);
          check(one, keptIds);
          assert.match(one.put(2, 1), /stored|replaced/);
          check(one, new Set());
        } catch (cause) {
          throw new Error(`cut off at ${points[point].where}, point ${time} of its way`, { cause });
        }
      }
    });
  }

  /** Names that some scenario stores anew: between the old value and the new there is none. */
  function touched(id: number): boolean {
    return [5, 7, 8, 9, 14, 21].includes(id);
  }

  it("a repair that is cut off is repaired", () => {
    const make = (): Setup => {
      const one = setup(full);
      // Cut off in the middle of a removal, which leaves links broken.
      const trail = run(() => one.engine.remove(...one.nameOf(16)), 0);
      const two = setup(full);
      run(() => two.engine.remove(...two.nameOf(16)), Math.ceil(trail.length / 2));
      return two;
    };
    const dryRun = make();
    const trail = run(() => takeOver(dryRun), 0);
    const kept = new Set(
      Array.from({ length: NAMES }, (_, i) => i + 1).filter((id) =>
        dryRun.engine.contains(...dryRun.nameOf(id), 0),
      ),
    );
    for (const time of timesOf(trail, 200)) {
      visited.add(trail[time - 1]);
      const one = make();
      try {
        run(() => takeOver(one), time);
        takeOver(one);
        check(one, kept);
      } catch (cause) {
        throw new Error(`repair cut off at ${points[trail[time - 1]].where}`, { cause });
      }
    }
  });

  it("nearly every point was visited", () => {
    const missed = points.filter((_, point) => !visited.has(point)).map(({ where }) => where);
    const own = missed.filter((where) => where.startsWith("src/engine/"));
    console.log(
      `${visited.size} of ${points.length} points; of the engine's own were missed: ${own.join(", ")}`,
    );
    assert.ok(own.length < points.length / 10, own.join("\n"));
  });
});
