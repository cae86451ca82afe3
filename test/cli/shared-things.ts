import { FileBacking } from "../../src/backing/index.ts";
import { CompressedCache, createPool } from "../../src/entry/index.ts";
import { PageStore } from "../../src/store/index.ts";

/** Entries of a cache or store, objects of a pool. */
const COUNT = 500;

/** What processes share, and how it is closed. */
export type Thing = { close(): unknown };

/** A codec that nobody else has. */
const OWN_CODEC = {
  name: "own",
  id: 201,
  maxCompressedLength: (length: number): number => length,
  compress: (source: Uint8Array, target: Uint8Array): number => {
    target.set(source.subarray(0, source.length >> 1));
    return source.length >> 1;
  },
  decompress: (): number => 0,
};

/** Opens something under a name, with 500 entries or objects. */
export const MAKERS: Record<string, (shared: string) => Thing | Promise<Thing>> = {
  // Nothing is learned in the background: it changes only when somebody calls it.
  cache: (shared) => {
    return filled(
      new CompressedCache({ maxBytes: "8MiB", tags: true, ttl: 1e9, dictionary: "none", shared }),
    );
  },
  "cache with a codec of its own": (shared) => {
    return filled(new CompressedCache({ maxBytes: "8MiB", codec: () => OWN_CODEC, shared }));
  },
  "cache with a file": async (shared) => {
    const backing = await FileBacking.open(`${shared}.file`, { maxBytes: "1MiB" });
    return filled(new CompressedCache({ maxBytes: "8MiB", backing, shared }));
  },
  store: (shared) => stored(new PageStore({ maxBytes: "8MiB", shared })),
  "store with a file": async (shared) => {
    const backing = await FileBacking.open(`${shared}.file`, { maxBytes: "1MiB" });
    return stored(new PageStore({ maxBytes: "8MiB", backing, writeback: false, shared }));
  },
};
for (const driver of ["zbud", "slots", "zsmalloc", "size-classes", "log"]) {
  MAKERS[driver] = (shared) => {
    const pool = createPool(driver, { maxPages: 1000, shared });
    for (let i = 0; i < COUNT; i++) pool.alloc(100);
    return pool;
  };
}

function filled(cache: CompressedCache): CompressedCache {
  if (cache.size > 0) return cache;
  for (let i = 0; i < COUNT; i++) cache.set(`key ${i}`, `${i} `.repeat(100));
  return cache;
}

function stored(store: PageStore): PageStore {
  const page = new Uint8Array(4096);
  for (let i = 0; i < COUNT && store.size < COUNT; i++) store.store(i, page.fill(i, 0, 100 + i));
  return store;
}
