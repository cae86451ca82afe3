/** Entries that another thread moves to other rows while something is done with them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { WriteOutcome } from "../../src/backing/index.ts";
import { CacheCore } from "../../src/cache/core.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { removeTagged, TAG_BYTES, TAGS_MAX, TagLists } from "../../src/cache/tags.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { logDriver } from "../../src/drivers/log/index.ts";
import { Engine, entryAttributes } from "../../src/engine/index.ts";
import { W_HIGH_WATER } from "../../src/engine/table.ts";
import { freshPath } from "../support/fresh-path.ts";
import { SharedStore } from "./shared-store.ts";

const MAX_BYTES = 2 ** 21;
const COUNT = 2000;
const NONE = new Uint8Array(0);

/** An engine with entries that have these tags, of which three of four are gone, so that rows can be given up. */
function withTags(tags: TagLists, names: readonly string[]): Engine {
  const engine = new Engine({
    maxBytes: MAX_BYTES,
    averageBytes: 60,
    driver: logDriver,
    codec: "none",
    secondaryIndex: tags,
  });
  const attributes = entryAttributes();
  attributes.head = new Uint8Array(TAGS_MAX * TAG_BYTES);
  for (let id = 0; id < COUNT; id++) {
    attributes.headLength = tags.encode(names, attributes.head);
    const value = Uint8Array.from({ length: 60 }, (_, i) => (id * i) >> (i & 7));
    assert.equal(engine.put(id, 0, value, value.length, attributes, 0), "stored");
  }
  for (let id = 0; id < COUNT; id++) if (id % 4 !== 2) engine.remove(id, 0, NONE, 0);
  return engine;
}

describe("entries that move while a tag is deleted", () => {
  const kinds = {
    "are found in the lists of tags": [["a"], false],
    "are found by a search, where there are more tags than lists have room for": [[..."abcdefgh"], true],
  } as const;
  for (const [name, [names, isSearched]] of Object.entries(kinds)) {
    it(name, () => {
      const tags = new TagLists();
      const engine = withTags(tags, names);
      engine.visitSecondaryIndex(0, (table, at, rows) => {
        const found = { words: new Int32Array(0), count: 0 };
        assert.equal(tags.find(table, at, rows, tags.name("a"), found), !isSearched);
      });
      const { words } = engine.parts().shards[0];
      const rows = words[W_HIGH_WATER];
      const removeRow = engine.removeRow.bind(engine);
      let calls = 0;
      // What another thread may do between two removals.
      engine.removeRow = (...place) => {
        if (calls++ === 10) engine.resize(MAX_BYTES - 2 ** 16, 0);
        return removeRow(...place);
      };
      assert.equal(removeTagged(engine, tags, tags.name("a")), COUNT / 4);
      assert.ok(words[W_HIGH_WATER] < rows, "rows were given up");
      assert.equal(engine.size, 0);
      verify(engine);
      engine.close();
    });
  }
});

describe("entries that move while they are walked over", () => {
  const KEYS = Array.from({ length: COUNT }, (_, i) => i).filter((i) => i % 8 === 5);

  /** A cache with few entries in many rows; and what moves them together. */
  function sparse(options: Partial<CompressedCacheOptions<number>> = {}): {
    cache: CompressedCache<number>;
    move: () => void;
  } {
    const cache = new CompressedCache<number>({ maxBytes: "8MiB", dictionary: "none", ...options });
    for (let i = 0; i < COUNT; i++) cache.set(i, i);
    for (let i = 0; i < COUNT; i++) if (i % 8 !== 5) cache.delete(i);
    return { cache, move: () => void cache.resize("7MiB") };
  }

  for (const [name, options] of Object.entries({
    "by LRU": {},
    "by SIEVE": { evict: "sieve" },
    "in several shards": { shards: 4 },
  } as const)) {
    it(`come once, as they are then, ${name}`, () => {
      const { cache, move } = sparse(options);
      const order = [...cache.keys()];
      const seen: [unknown, number][] = [];
      for (const entry of cache) {
        seen.push(entry);
        if (seen.length !== 10) continue;
        move();
        cache.set(order[20], -1);
        cache.delete(order[21]);
      }
      const expected = order.map((key, i): [unknown, unknown] => [key, i === 20 ? -1 : key]);
      assert.deepEqual(seen, expected.toSpliced(21, 1));
      assert.deepEqual([...cache.keys()].sort(), order.toSpliced(21, 1).sort(), "and all of them are there");
      cache.close();
    });
  }

  it("are touched", () => {
    const core = CacheCore.create<number>(
      { maxBytes: "8MiB", dictionary: "none", ttl: 1000, clock: () => 5 },
      {},
    );
    const cache = new CompressedCache<number>(core);
    for (let i = 0; i < COUNT; i++) cache.set(i, i);
    for (let i = 0; i < COUNT; i++) if (i % 8 !== 5) cache.delete(i);
    const { engine } = core;
    const setExpiry = engine.setExpiry.bind(engine);
    let calls = 0;
    engine.setExpiry = (...call) => {
      if (calls++ === 0) cache.resize("7MiB");
      return setExpiry(...call);
    };
    const last = KEYS[KEYS.length - 1];
    assert.equal(cache.touch(last, 9000), true);
    assert.equal(cache.getRemainingTTL(last), 9000);
    assert.equal(calls, 2);
    cache.close();
  });

  it("are saved", async () => {
    const { cache, move } = sparse();
    const path = freshPath();
    const saving = cache.save(path);
    // It has begun to write the file by then.
    await turn();
    move();
    assert.equal(await saving, KEYS.length);
    cache.clear();
    assert.equal(await cache.load(path), KEYS.length);
    for (const key of KEYS) assert.equal(cache.get(key), key);
    cache.close();
  });
});

describe("an entry that moves while it is set to a server that machines share", () => {
  /** A cache with few entries in many rows; and what another thread may do: it moves them together. */
  function sparse(backing: SharedStore): {
    core: CacheCore<string>;
    move: () => void;
    set: (key: string) => void;
  } {
    const core = CacheCore.create<string>({ maxBytes: "8MiB", backing, dictionary: "none" }, {});
    const set = (key: string): void => {
      assert.equal(core.put(key, key, 0, 0, 0, [], null), "add");
    };
    for (let i = 0; i < COUNT; i++) set(`key ${i}`);
    for (let i = 0; i < COUNT; i++) if (i % 8 !== 5) assert.ok(core.remove(`key ${i}`));
    return { core, set, move: () => void core.resize("7MiB") };
  }

  it("is written there", () => {
    const backing = new SharedStore();
    const { core, set, move } = sparse(backing);
    const { engine } = core;
    const contains = engine.contains.bind(engine);
    let calls = 0;
    engine.contains = (...name) => {
      const isThere = contains(...name);
      if (calls++ === 0) move();
      return isThere;
    };
    backing.lengths.length = 0;
    set("of some length");
    assert.deepEqual(backing.lengths, ["of some length".length]);
    assert.equal(calls, 2);
    core.close();
  });

  it("goes from memory if the server did not take it", async () => {
    const backing = new SharedStore();
    const { core, set, move } = sparse(backing);
    const ended = Promise.withResolvers<WriteOutcome>();
    backing.outcome = ended.promise;
    set("not taken");
    assert.ok(core.contains("not taken", 0));
    move();
    assert.ok(core.contains("not taken", 0));
    ended.resolve("EAGAIN");
    await ended.promise;
    await turn();
    assert.equal(core.contains("not taken", 0), false);
    assert.equal(core.engine.size, COUNT / 8, "the others stay");
    core.close();
  });
});
