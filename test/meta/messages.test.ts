/** Messages name what the caller wrote, with its value, and say what to do about it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { collectMetrics } from "../../src/adapters/prom-client.ts";
import { FileBacking, MemoryBacking } from "../../src/backing/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { type Codec, createZstd, registerCodec } from "../../src/codecs/index.ts";
import { attachPool, createPool, ZbudPool, zbudDriver } from "../../src/entry/index.ts";
import { PageStore } from "../../src/store/index.ts";

type Case = [what: string, call: () => unknown, message: RegExp];

const cache = new CompressedCache<unknown>({ maxBytes: "2MiB" });
const shared = cache.share() as unknown as Record<string, unknown>;
const storeShared = new PageStore({ maxBytes: "1MiB", shared: true }).share();

function ownCodec(name: string, id: number): Codec {
  return { name, id, maxCompressedLength: (n) => n, compress: () => 0, decompress: () => 0 };
}
const ofOwnCodec = new CompressedCache({ maxBytes: "1MiB", codec: () => ownCodec("mine", 200) });

const made = (options: object) => (): unknown => new CompressedCache({ maxBytes: "1MiB", ...options });
const stored = (options: object) => (): unknown => new PageStore({ maxBytes: "1MiB", ...options });
const attach = (given: unknown, options?: object) => (): unknown =>
  CompressedCache.attach(given as never, options as never);
const throughJson = (value: unknown): never => JSON.parse(JSON.stringify(value)) as never;

const PROCESSES =
  /Processes cannot share it; worker threads of one process can: .*workerData or by postMessage/;

const CASES: Record<string, Case[]> = {
  "options of a cache": [
    ["codec: null", made({ codec: null }), /codec must be a name such as "lz4", or a function .*, not null/],
    ["codec: 5", made({ codec: 5 }), /codec must be a name .*, not 5/],
    [
      "codec as an object",
      made({ codec: ownCodec("a", 200) }),
      /codec must be .* a function that makes a codec/,
    ],
    ["codec: () => null", made({ codec: () => null }), /a codec is an object with name, id, .*, not null/],
    [
      "codec: () => ({})",
      made({ codec: () => ({}) }),
      /a codec's name must be a non-empty string, not undefined/,
    ],
    [
      "a codec without compress",
      made({ codec: () => ({ ...ownCodec("a", 200), compress: undefined }) }),
      /codec "a" has no method compress/,
    ],
    [
      "poolPageSize: 2 MiB",
      made({ poolPageSize: 2 ** 21 }),
      /^poolPageSize must be from 64 to 1048576 bytes, not 2097152/,
    ],
    ["poolPageSize as text", made({ poolPageSize: "large" }), /^poolPageSize must be .*, not "large"/],
    ["poolPageSize: 1000", made({ poolPageSize: 1000 }), /pageSize must be a multiple of 64/],
    ["maxEntries: 0", made({ maxEntries: 0 }), /maxEntries must be an integer from 1, not 0; leave it out/],
    [
      "maxEntries: Infinity",
      made({ maxEntries: Number.POSITIVE_INFINITY }),
      /maxEntries .* not Infinity; leave it out/,
    ],
    ["shards: 3.5", made({ shards: 3.5 }), /shards must be a power of two from 1 to 256, not 3\.5/],
    ["shards: 3", made({ shards: 3 }), /shards must be a power of two from 1 to 256, not 3/],
    ["shards as text", made({ shards: "2" }), /shards must be a power of two .*, not "2"/],
    ["driver: null", made({ driver: null }), /driver must be a driver such as slotsDriver, or .*, not null/],
    [
      "a number",
      () => new CompressedCache(1e6 as never),
      /options of a cache must be an object .* not 1000000/,
    ],
    ...["tags", "allowStale", "shared"].map((name): Case => {
      return [
        `${name} as text`,
        made({ [name]: "false" }),
        new RegExp(`${name} must be true or false, not "false"`),
      ];
    }),
    ["shared: 1", made({ shared: 1 }), /^shared must be true, false or a name such as "app", not 1/],
    [
      "shared: 1 of a page store",
      () => new PageStore({ maxBytes: "1MiB", shared: 1 as never }),
      /^shared must be true, false or a name such as "app", not 1/,
    ],
  ],
  "options of calls": [
    [
      "allowStale as text",
      () => cache.get("key", { allowStale: "no" as never }),
      /allowStale must be true or/,
    ],
    [
      "forceRefresh as text",
      () => cache.getOrSet("key", () => 1, { forceRefresh: "yes" as never }),
      /forceRefresh must be true or false, not "yes"/,
    ],
    [
      "a signal of getOrSet",
      () => cache.getOrSet("key", () => 1, { signal: 1 as never }),
      /signal must be an Abort/,
    ],
    [
      "a signal of getAsync",
      () => cache.getAsync("key", { signal: {} as never }),
      /signal must be an AbortSignal/,
    ],
    [
      "a signal of save",
      () => cache.save("/nowhere/x", { signal: null as never }),
      /signal must be .*, not null/,
    ],
  ],
  "options of a store, a backing store and codecs": [
    ["codec: {}", stored({ codec: {} }), /a codec's name must be/],
    ["recompress: 5", stored({ recompress: 5 }), /a codec is an object with .*, not 5/],
    ["writeback as text", stored({ writeback: "no" }), /writeback must be true or false, not "no"/],
    ["sameFilled as text", stored({ sameFilled: "no" }), /sameFilled must be true or false/],
    [
      "clock: 5, of a backing store",
      () => new MemoryBacking({ clock: 5 as never }),
      /clock must be a function that gives milliseconds, not 5/,
    ],
    [
      "an empty dictionary",
      () => createZstd({ dictionary: new Uint8Array(0) }),
      /1 byte or more, not Uint8Array\(0\)/,
    ],
    ["no codec", () => registerCodec("lz5" as never), /a codec is an object with .*, not "lz5"/],
    ["clock: 5", stored({ clock: 5 }), /clock must be a function that gives milliseconds, not 5/],
    ["shards: 3.5", stored({ shards: 3.5 }), /shards must be a power of two/],
  ],
  "attach of something else": [
    ["nothing", attach(undefined), /attach takes what share\(\) of a cache gave, not undefined/],
    ["the cache itself", attach(cache), /share\(\) of a cache gave, not CompressedCache/],
    ["a store", attach(storeShared), /share\(\) of a cache gave/],
    ["a cache as a store", () => PageStore.attach(shared as never), /share\(\) of a page store gave/],
    [
      "only a name and memory",
      attach({ kind: "zbud-cache", sharedState: new SharedArrayBuffer(64) }),
      /parts .* missing/,
    ],
    ...["engine", "shape", "settings", "codecId"].map((name): Case => {
      return [`without ${name}`, attach({ ...shared, [name]: undefined }), /parts of this are missing/];
    }),
    ["an engine without anything", attach({ ...shared, engine: {} }), /attach takes what share\(\) of/],
    ["an empty shape", attach({ ...shared, shape: {} }), /parts of this are missing/],
    [
      "a shape beyond its memory",
      attach({ ...shared, shape: { maxSampleCount: 1e9, maxSampleBytes: 8, maxDictionaryBytes: 8 } }),
      /parts of this are missing/,
    ],
    [
      "other memory",
      attach({ ...shared, sharedState: new SharedArrayBuffer(2 ** 20) }),
      /parts of this are missing/,
    ],
  ],
  "attach in another process, where JSON left no memory": [
    ["a cache", attach(throughJson(shared)), PROCESSES],
    ["a store", () => PageStore.attach(throughJson(storeShared)), PROCESSES],
    [
      "a pool",
      () => zbudDriver.attach(throughJson(new ZbudPool({ maxPages: 4, shared: true }).share())),
      PROCESSES,
    ],
    [
      "a zpool",
      () => attachPool(throughJson(createPool("slots", { maxPages: 4, shared: true }).share())),
      PROCESSES,
    ],
    [
      "a file",
      () => FileBacking.attach(throughJson({ backing: "file", index: new SharedArrayBuffer(8) })),
      PROCESSES,
    ],
  ],
  "attach with other options than the cache has": [
    ["another codec", attach(shared, { codec: "zstd" }), /has codec "lz4" in all threads, not "zstd"/],
    ["a function", attach(shared, { codec: () => ownCodec("a", 200) }), /has codec "lz4" .*, not a function/],
    ["no function", attach(ofOwnCodec.share()), /codec of its own: give attach\(\) the same function/],
    [
      "a function that makes another codec",
      attach(ofOwnCodec.share(), { codec: () => ownCodec("other", 201) }),
      /made "other" with id 201, and the cache has the codec of id 200/,
    ],
    [
      "a function that makes none",
      attach(ofOwnCodec.share(), { codec: () => null }),
      /a codec is .*, not null/,
    ],
    [
      "a size",
      attach(shared, { maxBytes: "1MiB" }),
      /attach\(\) takes no maxBytes: it is one for all threads/,
    ],
    ["null", attach(shared, null as never), /options of attach must be an object/],
  ],
};

for (const [name, cases] of Object.entries(CASES)) {
  describe(`messages: ${name}`, () => {
    for (const [what, call, message] of cases) {
      it(what, async () => {
        await assert.rejects(
          async () => await call(),
          (error: Error & { code?: string }) => {
            assert.equal(error.name, "ZbudError");
            assert.equal(error.code, "EINVAL");
            assert.match(error.message, message);
            return true;
          },
        );
      });
    }
  });
}

it("attach takes the codec that the cache has, by its name", () => {
  CompressedCache.attach(cache.share(), { codec: "lz4" }).close();
  CompressedCache.attach(ofOwnCodec.share(), { codec: () => ownCodec("mine", 200) }).close();
});

describe("messages: what a first program gets wrong", () => {
  const file = FileBacking.open as (path: unknown, options?: object) => Promise<unknown>;
  const collect = collectMetrics as (client?: unknown, source?: unknown, options?: object) => unknown;
  const client = { Gauge: class {}, Counter: class {}, register: {} };
  const cases: Case[] = [
    [
      "no file to load",
      () => cache.load("/nowhere/a"),
      /from "\/nowhere\/a": there is no such file; save\(\)/,
    ],
    ["no folder to save in", () => cache.save("/nowhere/a"), /to "\/nowhere\/a": its folder is not there/],
    [
      "a share of memory as size of a file",
      () => file("/nowhere/a", { maxBytes: "20%" }),
      /a whole number of bytes, or a size such as "256MiB", not "20%"/,
    ],
    [
      "a file store by new",
      () => new (FileBacking as never as new (path: string) => unknown)("pages.zbud"),
      /open it with await FileBacking\.open\(path, options\).* instead of new/,
    ],
    ["a folder as file", () => file(".", { maxBytes: 2 ** 20 }), /"\." cannot be opened: it is a folder/],
    [
      "a backing store without await",
      made({ backing: Promise.resolve() }),
      /backing .* await FileBacking\.open.* not Promise/,
    ],
    ["more than all memory", made({ maxBytes: "200%" }), /up to "100%".* not "200%"/],
    ["more than there can be", made({ maxBytes: "9999GiB" }), /not "9999GiB", which is/],
    ["the cache, not share()", attach({}), /call share\(\) in the thread that made it/],
    ["no driver", createPool as () => unknown, /createPool takes a driver, .* not undefined/],
    [
      "no prom-client",
      () => collect(),
      /first argument of collectMetrics must be the module prom-client .* not undefined/,
    ],
    ["no cache", () => collect(client, {}), /must have stats\(\), as a cache has, not Object/],
    [
      "a bad prefix",
      () => collect(client, cache, { prefix: "my cache" }),
      /prefix must be .* not "my cache"/,
    ],
    ["one registry", () => collect(client, cache, { registers: {} }), /registers must be an array/],
  ];
  for (const [what, call, message] of cases) {
    it(what, async () => await assert.rejects(async () => await call(), { name: "ZbudError", message }));
  }
});
