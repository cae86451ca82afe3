/** Everything that a user may await, ready to be called. */

import { BentoDriver } from "../../src/adapters/bentocache.ts";
import { keyv5Store, keyvStore } from "../../src/adapters/keyv.ts";
import { nextCacheHandler } from "../../src/adapters/next.ts";
import { unstorageDriver } from "../../src/adapters/unstorage.ts";
import {
  type Backing,
  FileBacking,
  KeyvBacking,
  type KeyvLike,
  MemoryBacking,
  OpfsBacking,
  type OpfsDirectory,
  replaceFile,
} from "../../src/backing/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { ZbudPool } from "../../src/entry/index.ts";
import { estimate, estimateKernel } from "../../src/estimate/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { type Viewer, viewer } from "../../src/viewer/index.ts";
import { keyOf, recordOf } from "../backing/records.ts";
import { makePage } from "../store/pages.ts";
import { freshPath } from "../support/fresh-path.ts";
import type { MethodOf, Owner } from "./surface.ts";

const PAGES = 200;
const PAGE = 4096;
/** For stores that do not answer. */
const TIMEOUT_MS = 20;

/** One kind of thing, in one state: how to make it, and what to await of it. */
export interface Subject {
  readonly state: string;
  make(): Promise<Target>;
  /** Names of its methods; empty: making it is what is awaited. */
  readonly methods: readonly string[];
}

export interface Target {
  call(method: string): unknown;
  /** What it must be like when both calls have ended. `closed`: one of them closed it. */
  end(methods: readonly string[], closed: boolean): Promise<void>;
}

const FILE = { maxBytes: 2 ** 21, averageBytes: 4096 };

function subject<Of extends Owner, Made>(
  _of: Of,
  state: string,
  make: () => Promise<Made>,
  methods: Record<MethodOf<Of>, (made: Made) => unknown>,
  end: (made: Made, methods: readonly string[], closed: boolean) => Promise<void>,
): Subject {
  const calls = methods as Record<string, (made: Made) => unknown>;
  return {
    state,
    methods: Object.keys(calls),
    make: async () => {
      const made = await make();
      return {
        call: (method) => calls[method](made),
        end: (called, closed) => end(made, called, closed),
      };
    },
  };
}

const pages = Array.from({ length: PAGES }, (_, i) => makePage(i, 1, PAGE));
const into = new Uint8Array(PAGE);
/** More than a cache of 1 MiB keeps. */
const values = Array.from({ length: 100 }, (_, i) => recordOf(i, 1, 16_000).bytes);

function storeOn(
  state: string,
  backingOf: () => Promise<[Backing | undefined, string]>,
  more: object,
): Subject {
  interface Made {
    store: PageStore;
    backing: Backing | undefined;
    path: string;
  }
  const make = async (): Promise<Made> => {
    const [backing, path] = await backingOf();
    const options = { maxBytes: "1MiB", codec: "none", ...(backing === undefined ? {} : { backing }) };
    const store = new PageStore({ ...options, ...more });
    for (const [i, page] of pages.entries()) store.store(i, page);
    return { store, backing, path };
  };
  const methods: Record<MethodOf<"PageStore">, (made: Made) => unknown> = {
    storeAsync: ({ store }) => store.storeAsync(7, makePage(7, 2, PAGE)),
    loadAsync: ({ store }) => store.loadAsync(7, into),
    clear: ({ store }) => store.clear(),
    flush: ({ store }) => store.flush(),
    close: ({ store }) => store.close(),
    asyncDispose: ({ store }) => store[Symbol.asyncDispose](),
  };
  return subject("PageStore", state, make, methods, async ({ store, backing, path }, called, closed) => {
    if (!closed) await store.close();
    await backing?.close();
    if (path === "") return;
    const again = await FileBacking.open(path, FILE);
    if (again.opened?.found !== "clean") throw new Error(`the file was left ${again.opened?.found}`);
    const records = again.opened.records;
    if (!called.includes("clear") && records !== PAGES)
      throw new Error(`${records} pages of ${PAGES} were found`);
    await again.close();
  });
}

const onFile = async (): Promise<[Backing, string]> => {
  const path = freshPath();
  return [await FileBacking.open(path, FILE), path];
};
const onMemory = async (): Promise<[Backing, string]> => [new MemoryBacking({ delayMs: 2 }), ""];
const onKeyv = async (): Promise<[Backing, string]> => [new KeyvBacking({ store: new Map() }), ""];

function backingIn<Made extends Backing>(
  of: "FileBacking" | "MemoryBacking" | "KeyvBacking" | "OpfsBacking",
  state: string,
  open: () => Promise<Made> | Made,
): Subject {
  const make = async (): Promise<Made> => {
    const made = await open();
    await made.write([recordOf(1, 1, 500)]);
    return made;
  };
  // More than are sent at a time to a server.
  const records = Array.from({ length: 100 }, (_, number) => recordOf(number, 2, 500));
  const methods = {
    write: (made: Made) => made.write(records),
    read: (made: Made) => made.read(keyOf(1)),
    clear: (made: Made) => made.clear(),
    flush: (made: Made) => made.flush(),
    close: (made: Made) => made.close(),
    asyncDispose: (made: Made) => (made as unknown as AsyncDisposable)[Symbol.asyncDispose](),
  };
  const end = async (made: Made): Promise<void> => {
    await made.close().catch(() => undefined);
  };
  return subject(of, state, make, methods, end);
}

/** A server that fails, or that never answers. */
function badStore(answer: () => Promise<never>): KeyvLike {
  return { get: answer, set: answer, delete: answer, clear: answer };
}

/** A folder of one file in memory. */
function opfsFolder(): OpfsDirectory {
  const bytes = new Uint8Array(FILE.maxBytes);
  let size = 0;
  const access = {
    read: (target: Uint8Array, { at }: { at: number }) => {
      const part = bytes.subarray(at, Math.min(size, at + target.length));
      target.set(part);
      return part.length;
    },
    write: (source: Uint8Array, { at }: { at: number }) => {
      bytes.set(source, at);
      size = Math.max(size, at + source.length);
      return source.length;
    },
    truncate: (to: number) => {
      size = to;
    },
    flush: () => undefined,
    getSize: () => size,
    close: () => undefined,
  };
  return { getFileHandle: async () => ({ createSyncAccessHandle: async () => access }) };
}

function cacheOn(state: string, backingOf: () => Promise<Backing | undefined>): Subject {
  interface Made {
    cache: CompressedCache<unknown>;
    backing: Backing | undefined;
    path: string;
  }
  const make = async (): Promise<Made> => {
    const backing = await backingOf();
    const cache = new CompressedCache<unknown>({
      maxBytes: "1MiB",
      ...(backing === undefined ? {} : { backing }),
    });
    for (const [i, value] of values.entries()) cache.set(`key ${i}`, value);
    const path = freshPath();
    await cache.save(path);
    return { cache, backing, path };
  };
  const methods: Record<MethodOf<"CompressedCache">, (made: Made) => unknown> = {
    getAsync: ({ cache }) => cache.getAsync("key 1"),
    getOrSet: ({ cache }) => cache.getOrSet("key 0", async () => "loaded"),
    setStream: ({ cache }) => cache.setStream("key 2", new Blob(["streamed"]).stream()),
    save: ({ cache, path }) => cache.save(path),
    load: ({ cache, path }) => cache.load(path),
    flush: ({ cache }) => cache.flush(),
    asyncDispose: ({ cache }) => cache[Symbol.asyncDispose](),
  };
  return subject("CompressedCache", state, make, methods, async ({ cache, backing }) => {
    cache.close();
    await backing?.close();
  });
}

const pool = new ZbudPool({ maxPages: 10 });
/** For the adapters, which all take one. */
const cache = new CompressedCache({ maxBytes: "2MiB" });
const all = async (values: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of values);
};
const noEnd = async (): Promise<void> => undefined;

function keyvMethods(
  store: ReturnType<typeof keyv5Store | typeof keyvStore>,
): Record<MethodOf<"Keyv6Store">, () => unknown> {
  return {
    get: () => store.get("a"),
    getMany: () => store.getMany(["a"]),
    has: () => store.has("a"),
    hasMany: () => store.hasMany(["a"]),
    set: () => store.set("a", 1),
    setMany: () => store.setMany([{ key: "a", value: 1 }] as never),
    delete: () => store.delete("a"),
    deleteMany: () => store.deleteMany(["a"]),
    clear: () => store.clear(),
    disconnect: () => store.disconnect(),
    iterator: () => all(store.iterator()),
  };
}

function adapter<Of extends Owner>(of: Of, methods: Record<MethodOf<NoInfer<Of>>, () => unknown>): Subject {
  return subject<Of, null>(of, "on a cache", async () => null, methods, noEnd);
}

const entry = {
  value: new ReadableStream<Uint8Array>({ start: (controller) => controller.close() }),
  tags: ["t"],
  stale: 0,
  timestamp: 0,
  expire: 100,
  revalidate: 100,
};
const next = nextCacheHandler(cache);
const storage = unstorageDriver(cache);

function viewerIn(state: string, open: () => Promise<Viewer>): Subject {
  const methods: Record<MethodOf<"viewer()">, (made: Viewer) => unknown> = {
    listen: (made) => made.listen(),
    close: (made) => made.close(),
    asyncDispose: (made) => made[Symbol.asyncDispose](),
  };
  return subject("viewer()", state, open, methods, (made) => made.close());
}

/** The type says that none is missing. */
export const SUBJECTS: Record<Owner, readonly Subject[]> = {
  PageStore: [
    storeOn("on a file", onFile, {}),
    storeOn("in memory", onMemory, {}),
    storeOn("on a server", onKeyv, {}),
    storeOn("alone", async () => [undefined, ""], {}),
    // The background rests for seconds.
    storeOn("on a file, resting", onFile, { acceptThresholdPercent: 1, maxWriteBytesPerSecond: 2 ** 17 }),
  ],
  CompressedCache: [
    cacheOn("alone", async () => undefined),
    cacheOn("with a file", () => FileBacking.open(freshPath(), { maxBytes: 2 ** 22 })),
    cacheOn("with a server", async () => new KeyvBacking({ store: new Map() })),
  ],
  FileBacking: [backingIn("FileBacking", "as it is", () => FileBacking.open(freshPath(), FILE))],
  replaceFile: [
    subject(
      "replaceFile",
      "anew",
      () => replaceFile(freshPath(), undefined, (write) => write(into)),
      {},
      async () => {},
    ),
  ],
  "FileBacking.open": [subject("FileBacking.open", "anew", onFile, {}, async ([made]) => made.close())],
  MemoryBacking: [
    backingIn("MemoryBacking", "as it is", () => new MemoryBacking()),
    backingIn("MemoryBacking", "slow", () => new MemoryBacking({ delayMs: 5 })),
  ],
  KeyvBacking: [
    backingIn("KeyvBacking", "as it is", () => new KeyvBacking({ store: new Map() })),
    backingIn("KeyvBacking", "of a server that fails", () => {
      const store = badStore(() => Promise.reject(new Error("it fails")));
      return new KeyvBacking({ store, timeoutMs: TIMEOUT_MS });
    }),
    backingIn("KeyvBacking", "of a server that never answers", () => {
      const store = badStore(() => new Promise(() => {}));
      return new KeyvBacking({ store, timeoutMs: TIMEOUT_MS });
    }),
  ],
  OpfsBacking: [
    backingIn("OpfsBacking", "as it is", () => OpfsBacking.open("a", { ...FILE, directory: opfsFolder() })),
  ],
  "OpfsBacking.open": [
    subject(
      "OpfsBacking.open",
      "anew",
      () => OpfsBacking.open("a", { ...FILE, directory: opfsFolder() }),
      {},
      (made) => made.close(),
    ),
  ],
  "viewer()": [
    viewerIn("that does not listen", async () => viewer(pool)),
    viewerIn("that listens", async () => {
      const made = viewer(pool);
      await made.listen();
      return made;
    }),
  ],
  estimate: [subject("estimate", "of bytes", () => estimate({ bytes: makePage(3, 1, 2 ** 18) }), {}, noEnd)],
  estimateKernel: [
    subject(
      "estimateKernel",
      "of bytes",
      () => estimateKernel({ bytes: makePage(3, 1, 2 ** 18) }),
      {},
      noEnd,
    ),
  ],
  Keyv5Store: [adapter("Keyv5Store", keyvMethods(keyv5Store(cache)))],
  Keyv6Store: [adapter("Keyv6Store", keyvMethods(keyvStore(cache)))],
  "keyv5Store()": [],
  "keyvStore()": [],
  "nextCacheHandler()": [
    adapter("nextCacheHandler()", {
      get: () => next.get("a", []),
      set: () => next.set("a", Promise.resolve({ ...entry, value: new Blob(["a"]).stream() })),
      refreshTags: () => next.refreshTags(),
      getExpiration: () => next.getExpiration("t"),
      updateTags: () => next.updateTags(["t"]),
      expireTags: () => next.expireTags("t"),
    }),
  ],
  "unstorageDriver()": [
    adapter("unstorageDriver()", {
      hasItem: () => storage.hasItem("a"),
      getItem: () => storage.getItem("a"),
      getItemRaw: () => storage.getItemRaw("a"),
    }),
  ],
  BentoDriver: [adapter("BentoDriver", { disconnect: () => new BentoDriver(cache).disconnect() })],
};
