/**
 * Each call of the public surface that takes options refuses one that there is not, names the nearest that there is,
 * and knows all that its type declares.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { bentoDriver } from "../../src/adapters/bentocache.ts";
import { nextCacheHandler } from "../../src/adapters/next.ts";
import { collectMetrics } from "../../src/adapters/prom-client.ts";
import { redisTier } from "../../src/adapters/redis.ts";
import { undiciStore } from "../../src/adapters/undici.ts";
import { unstorageDriver } from "../../src/adapters/unstorage.ts";
import { FileBacking, KeyvBacking, MemoryBacking, OpfsBacking } from "../../src/backing/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { createDeflate, createLz4, createZstd } from "../../src/codecs/index.ts";
import {
  attachPool,
  createPool,
  fitPageSize,
  fitPageSizes,
  LogPool,
  logDriver,
  SizeClassPool,
  SlotsPool,
  sizeClassesDriver,
  slotsDriver,
  ZbudPool,
  ZsmallocPool,
  zbudDriver,
  zsmallocDriver,
} from "../../src/entry/index.ts";
import { attachZpool, createZpool } from "../../src/entry/zpool.ts";
import { estimate } from "../../src/estimate/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { replay, replaySteps } from "../../src/trace/index.ts";
import { viewer } from "../../src/viewer/index.ts";
import { ROOT, readTree } from "./sources.ts";

type Options = Record<string, unknown>;

interface Call {
  /** The right name whose misspelling is given. */
  name: string;
  /** File and name of the type that declares the options, if it is one of its own. */
  type?: [file: string, name: string];
  /** Options that the call needs besides. */
  needs?: Options;
  call(options: never): unknown;
}

const cache = new CompressedCache<unknown>({ maxBytes: "2MiB" });
const store = new PageStore({ maxBytes: "1MiB", shared: true });
const page = new Uint8Array(4096);
const memory = new MemoryBacking();
const key = { k0: 1, k1: 2, prefix: new Uint8Array(0) };
const trace = { header: { interface: "zbud" }, operations: [] } as never;
const zpool = createZpool("zbud", { maxPages: 4, shared: true });

function attached(pool: { share(): unknown }, attach: (shared: never, options: never) => unknown): Call {
  return { name: "onEvict", call: (options) => attach(pool.share() as never, options) };
}

const CALLS: Record<string, Call> = {
  "new CompressedCache": {
    name: "staleWhileRevalidate",
    type: ["cache/types.ts", "CompressedCacheOptions"],
    needs: { maxBytes: "1MiB" },
    call: (options) => new CompressedCache(options),
  },
  "CompressedCache.attach": {
    name: "serializer",
    type: ["cache/types.ts", "CacheThreadOptions"],
    call: (options) => CompressedCache.attach(cache.share(), options),
  },
  set: {
    name: "ttl",
    type: ["cache/types.ts", "SetOptions"],
    call: (options) => cache.set("key", 1, options),
  },
  setMany: {
    name: "ttl",
    type: ["cache/types.ts", "SetOptions"],
    call: (options) => cache.setMany([["key", 1]], options),
  },
  get: {
    name: "allowStale",
    type: ["cache/types.ts", "GetOptions"],
    call: (options) => cache.get("key", options),
  },
  getMany: { name: "updateAgeOnGet", call: (options) => cache.getMany(["key"], options) },
  has: { name: "allowStale", call: (options) => cache.has("key", options) },
  peek: { name: "allowStale", call: (options) => cache.peek("key", options) },
  getInto: { name: "allowStale", call: (options) => cache.getInto("key", page, options) },
  getStream: { name: "allowStale", call: (options) => cache.getStream("key", options) },
  setStream: {
    name: "signal",
    type: ["cache/types.ts", "SetStreamOptions"],
    call: (options) => cache.setStream("key", new Blob(["x"]).stream(), options),
  },
  withValue: { name: "allowStale", call: (options) => cache.withValue("key", () => 1, options) },
  getAsync: { name: "allowStale", call: (options) => cache.getAsync("key", options) },
  getOrSet: {
    name: "forceRefresh",
    type: ["cache/types.ts", "GetOrSetOptions"],
    call: (options) => cache.getOrSet("key", () => 1, options),
  },
  save: { name: "signal", call: (options) => cache.save("/nowhere/x", options) },
  load: { name: "signal", call: (options) => cache.load("/nowhere/x", options) },
  "new PageStore": {
    name: "incompressible",
    type: ["store/options.ts", "PageStoreOptions"],
    needs: { maxBytes: "1MiB" },
    call: (options) => new PageStore(options),
  },
  "PageStore.attach": {
    name: "recompress",
    type: ["store/options.ts", "PageStoreThreadOptions"],
    call: (options) => PageStore.attach(store.share(), options),
  },
  storeAsync: { name: "signal", call: (options) => store.storeAsync(1, page, options) },
  loadAsync: { name: "signal", call: (options) => store.loadAsync(1, page, options) },
  "flush of a store": { name: "signal", call: (options) => store.flush(options) },
  MemoryBacking: {
    name: "delayMs",
    type: ["backing/memory.ts", "MemoryBackingOptions"],
    call: (options) => new MemoryBacking(options),
  },
  "read of a backing store": { name: "signal", call: (options) => memory.read(key, options) },
  FileBacking: {
    name: "maxWriteBytesPerSecond",
    type: ["backing/file/options.ts", "FileBackingOptions"],
    needs: { maxBytes: 65_536 },
    call: (options) => FileBacking.open("/nowhere/x", options),
  },
  OpfsBacking: {
    name: "directory",
    type: ["backing/opfs/opfs-backing.ts", "OpfsBackingOptions"],
    needs: { maxBytes: 65_536 },
    call: (options) => OpfsBacking.open("x", options),
  },
  KeyvBacking: {
    name: "namespace",
    type: ["backing/keyv/keyv-backing.ts", "KeyvBackingOptions"],
    needs: { store: new Map() },
    call: (options) => new KeyvBacking(options),
  },
  redisTier: {
    name: "heartbeatMs",
    type: ["adapters/redis/options.ts", "RedisTierOptions"],
    call: (options) => redisTier({}, options),
  },
  ZbudPool: {
    name: "chunkOrder",
    type: ["drivers/zbud/options.ts", "ZbudPoolOptions"],
    needs: { maxPages: 4 },
    call: (options) => new ZbudPool(options),
  },
  SizeClassPool: {
    name: "warmUp",
    type: ["drivers/size-classes/options.ts", "SizeClassPoolOptions"],
    needs: { maxBytes: 2 ** 20 },
    call: (options) => new SizeClassPool(options),
  },
  SlotsPool: {
    name: "maxObjects",
    type: ["drivers/slots/options.ts", "SlotsPoolOptions"],
    needs: { maxPages: 4 },
    call: (options) => new SlotsPool(options),
  },
  LogPool: {
    name: "slack",
    type: ["drivers/log/options.ts", "LogPoolOptions"],
    needs: { maxPages: 4 },
    call: (options) => new LogPool(options),
  },
  ZsmallocPool: {
    name: "maxGroupPages",
    type: ["drivers/zsmalloc/options.ts", "ZsmallocPoolOptions"],
    needs: { maxPages: 8 },
    call: (options) => new ZsmallocPool(options),
  },
  "zbudDriver.attach": attached(new ZbudPool({ maxPages: 4, shared: true }), zbudDriver.attach),
  "sizeClassesDriver.attach": attached(
    new SizeClassPool({ maxBytes: 2 ** 20, pageSizes: [4096], shared: true }),
    sizeClassesDriver.attach,
  ),
  "slotsDriver.attach": attached(new SlotsPool({ maxPages: 4, shared: true }), slotsDriver.attach),
  "logDriver.attach": attached(new LogPool({ maxPages: 4, shared: true }), logDriver.attach),
  "zsmallocDriver.attach": attached(new ZsmallocPool({ maxPages: 8, shared: true }), zsmallocDriver.attach),
  attachPool: attached(zpool, attachPool),
  attachZpool: attached(zpool, attachZpool),
  createPool: { name: "maxBytes", needs: { maxPages: 4 }, call: (options) => createPool("slots", options) },
  createZpool: { name: "maxBytes", needs: { maxPages: 4 }, call: (options) => createZpool("slots", options) },
  fitPageSize: {
    name: "unfitBytes",
    type: ["drivers/zbud/fit.ts", "FitOptions"],
    call: (options) => fitPageSize([100], options),
  },
  fitPageSizes: {
    name: "maxPageSize",
    type: ["drivers/size-classes/fit.ts", "FitPageSizesOptions"],
    call: (options) => fitPageSizes([100], options),
  },
  createLz4: { name: "acceleration", type: ["codecs/lz4/lz4.ts", "Lz4Options"], call: createLz4 },
  createZstd: { name: "dictionary", type: ["codecs/zstd.ts", "ZstdOptions"], call: createZstd },
  createDeflate: { name: "level", type: ["codecs/deflate.ts", "DeflateOptions"], call: createDeflate },
  estimate: {
    name: "sampleBytes",
    type: ["estimate/options.ts", "EstimateOptions"],
    call: (options) => estimate({ bytes: page }, options),
  },
  viewer: {
    name: "title",
    type: ["viewer/viewer.ts", "ViewerOptions"],
    call: (options) => viewer(cache, options),
  },
  listen: {
    name: "port",
    type: ["viewer/types.ts", "ListenOptions"],
    call: (options) => viewer(cache).listen(options),
  },
  replay: {
    name: "maxMismatches",
    type: ["trace/replay.ts", "ReplayOptions"],
    call: (options) => replay(trace, options),
  },
  replaySteps: { name: "turnOperations", call: (options) => replaySteps(trace, options).next() },
  unstorageDriver: {
    name: "prefix",
    type: ["adapters/unstorage.ts", "UnstorageDriverOptions"],
    call: (options) => unstorageDriver(cache, options),
  },
  undiciStore: {
    name: "prefix",
    type: ["adapters/undici.ts", "UndiciStoreOptions"],
    call: (options) => undiciStore(cache, options),
  },
  nextCacheHandler: {
    name: "prefix",
    type: ["adapters/next.ts", "NextHandlerOptions"],
    call: (options) => nextCacheHandler(cache, options),
  },
  bentoDriver: {
    name: "prefix",
    type: ["adapters/bentocache.ts", "BentoDriverOptions"],
    needs: { cache },
    call: bentoDriver,
  },
  collectMetrics: {
    name: "registers",
    type: ["adapters/prom-client.ts", "MetricsOptions"],
    call: (options) => collectMetrics({} as never, { stats: () => ({}) }, options),
  },
};

/** The error of a call with an option more. */
async function refusal(
  { call, needs = {} }: Call,
  more: Options,
): Promise<{ code: string; message: string }> {
  try {
    await call({ ...needs, ...more } as never);
  } catch (error) {
    return error as { code: string; message: string };
  }
  return { code: "", message: "taken" };
}

/** Types that options of other files extend. */
const ELSEWHERE: Record<string, string> = {
  FileBackingOptions: "backing/file/options.ts",
  PoolOptions: "pool/options.ts",
};

/** Names of the members of an interface, and of those that it extends in the same file or one that is given. */
function membersOf(file: string, name: string): string[] {
  const text = readFileSync(join(ROOT, "src", file), "utf8");
  const found = new RegExp(
    `^export interface ${name}(?:<\\w+>)?(?: extends (?:Omit<(\\w+), ("[^>]+")>|(\\w+)))?.*?\\{\\n(.*?)^\\}`,
    "ms",
  ).exec(text);
  assert.ok(found, `${name} in ${file}`);
  const own = [...found[4].matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map((match) => match[1]);
  const extended = found[1] ?? found[3];
  if (extended === undefined) return own;
  const inherited = membersOf(ELSEWHERE[extended] ?? file, extended).filter(
    (member) => found[2]?.includes(`"${member}"`) !== true,
  );
  return [...new Set([...own, ...inherited])];
}

describe("an option that there is not", () => {
  for (const [what, entry] of Object.entries(CALLS)) {
    it(`${what}: misspelt is refused with the right name`, async () => {
      const { name } = entry;
      const wrong = name[1].toUpperCase();
      for (const misspelt of [`${name}s`, name.slice(0, 1) + wrong + name.slice(2), name.slice(0, -1)]) {
        const { code, message } = await refusal(entry, { [misspelt]: 1 });
        assert.equal(code, "EINVAL", message);
        assert.ok(message.includes(`unknown option "${misspelt}"`), message);
        assert.ok(message.includes(`did you mean ${name}?`), message);
      }
    });

    it(`${what}: all that there are are known, and what is undefined is not there`, async () => {
      const { message } = await refusal(entry, { zzzzzzzzzz: 1 });
      const known =
        /unknown option "zzzzzzzzzz" of .*; known: (.*) \(EINVAL\)$/.exec(message)?.[1].split(", ") ?? [];
      assert.ok(known.includes(entry.name), message);
      if (entry.type !== undefined) assert.deepEqual(known.sort(), membersOf(...entry.type).sort());
      assert.doesNotMatch((await refusal(entry, { zzzzzzzzzz: undefined })).message, /zzzzzzzzzz/);
    });

    it(`${what}: inherited ones count, and what is no object is refused`, async () => {
      const { call, needs } = entry;
      const inherited = Object.create({ ...needs, zzzzzzzzzz: 1 }) as never;
      assert.match((await refusal({ ...entry, call: () => call(inherited) }, {})).message, /zzzzzzzzzz/);
      for (const options of [null, 1000, "x"]) {
        const { code, message } = await refusal({ ...entry, call: () => call(options as never) }, {});
        assert.equal(code, "EINVAL", message);
        assert.match(message, /options of .* (?:must be|are) an object such as \{/);
      }
    });
  }

  it("every type of options in src is in this table", () => {
    const covered = new Set(Object.values(CALLS).map(({ type }) => type?.[1]));
    // Taken in other ways: what these are is a part of others, inner, or what a peer passes.
    for (const name of [
      "WaitOptions",
      "ReadOptions",
      "BentoDriverConfig",
      "UnstorageOptions",
      "CreateZpoolOptions",
      "PoolOptions",
      "DriverOptions",
      "CommonOptions",
      "CheckedOptions",
      "EngineOptions",
      "KeyQueuesOptions",
    ]) {
      covered.add(name);
    }
    const names = [...optionTypes()];
    assert.ok(names.length > 20);
    assert.deepEqual(
      names.filter((name) => !covered.has(name)),
      [],
    );
  });

  it("names of other caches' options get a sentence with what to use instead", async () => {
    const made = CALLS["new CompressedCache"];
    for (const [name, instead] of [
      ["maxSize", /use maxBytes/],
      ["sizeCalculation", /counted as they are kept/],
      ["dispose", /onRemoved/],
      ["disposeAfter", /onRemoved/],
      ["noDisposeOnSet", /onRemoved/],
      ["onInsert", /zbud:cache:metrics/],
      ["fetchMethod", /getOrSet/],
      ["memoMethod", /getOrSet/],
      ["updateAgeOnHas", /touch\(key\)/],
      ["ttlAutopurge", /purgeStale/],
      ["ttlResolution", /clock/],
      ["noDeleteOnStaleGet", /staleWhileRevalidate/],
      ["noDeleteOnFetchRejection", /staleWhileRevalidate/],
      ["allowStaleOnFetchRejection", /staleWhileRevalidate/],
      ["allowStaleOnFetchAbort", /not stored/],
      ["ignoreFetchAbort", /not stored/],
      ["noUpdateTTL", /getRemainingTTL/],
      ["perf", /clock/],
      ["stdTTL", /use ttl, in milliseconds/],
      ["checkperiod", /purgeStale/],
      ["max", /use maxEntries/],
      ["tier", /use backing/],
      ["policy", /use evict/],
      ["now", /use clock/],
      ["maxKeys", /use maxEntries/],
      ["maxAge", /use ttl/],
    ] as const) {
      const { code, message } = await refusal(made, { [name]: 1 });
      assert.equal(code, "EINVAL");
      assert.ok(message.startsWith(`unknown option "${name}" of a cache: `), message);
      assert.match(message, instead);
    }
    for (const [call, name, instead] of [
      ["new PageStore", "policy", /use evict/],
      ["new PageStore", "maxSize", /use maxBytes/],
      ["set", "size", /counted/],
      ["set", "noUpdateTTL", /getRemainingTTL/],
      ["set", "tag", /did you mean tags/],
      ["set", "TTL", /did you mean ttl/],
      ["peek", "updateAgeOnGet", /touch\(key\)/],
      ["has", "updateAgeOnHas", /touch\(key\)/],
      ["getOrSet", "context", /loader/],
      ["CompressedCache.attach", "dispose", /onRemoved/],
    ] as const) {
      assert.match((await refusal(CALLS[call], { [name]: 1 })).message, instead);
    }
  });

  it("attach names what is the whole cache's", async () => {
    const { message } = await refusal(CALLS["CompressedCache.attach"], { maxBytes: "1MiB" });
    assert.match(message, /attach\(\) takes no maxBytes: it is one for all threads/);
  });
});

function* optionTypes(): Generator<string> {
  for (const text of readTree(["src"], [".ts"]).values()) {
    for (const match of text.matchAll(/^export interface (\w+Options)\b/gm)) yield match[1];
  }
}
