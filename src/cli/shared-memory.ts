import { lookingOnly, type NotedThread, nearestOf, show, ThreadRegistry, ZbudError } from "../base/index.ts";
import { CACHE_LAYOUT, CompressedCache, type SharedCompressedCache } from "../cache/index.ts";
import type { Codec } from "../codecs/index.ts";
import { attachPool, registerBuiltIns } from "../drivers/index.ts";
import { W_ENTRIES } from "../engine/index.ts";
import {
  checkSegmentFolder,
  inFolder,
  lookAtSegment,
  Segment,
  type SegmentDescription,
  type SegmentLook,
  segmentFolder,
  segmentNames,
  segmentPath,
} from "../memory/index.ts";
import {
  driverTypes,
  hasDriver,
  POOL_LAYOUT,
  type Pool,
  type SharedPool,
  W_PAGE_COUNT,
} from "../pool/index.ts";
import { PageStore, type SharedPageStore, STORE_LAYOUT } from "../store/index.ts";

/** What a segment can hold that this command opens. */
export type SharedThing = CompressedCache | PageStore | Pool;

/** What is known of one kind of thing. */
interface Kind {
  readonly layout: string;
  /** Buffers with a table each, and the index of the word in it that counts entries, or a pool's pages in use. */
  counted(shared: never): { buffers: readonly unknown[]; word: number };
  /** Types of the drivers that it was made with. */
  drivers(shared: never): readonly string[];
  /** Joins as one more thread. Nothing that is opened so compresses, evicts or writes to a backing store. */
  attach(shared: never): SharedThing;
}

/** `share()` of a cache or a store, as a description has it. */
interface OfEngine {
  readonly engine: {
    readonly tables: readonly unknown[];
    readonly shape: { readonly drivers: readonly string[] };
  };
}

const OF_ENGINE = {
  counted: ({ engine }: OfEngine) => ({ buffers: engine.tables, word: W_ENTRIES }),
  drivers: ({ engine }: OfEngine) => engine.shape.drivers,
};

const KINDS: Readonly<Record<string, Kind>> = {
  cache: { ...OF_ENGINE, layout: CACHE_LAYOUT, attach: attachCache },
  store: { ...OF_ENGINE, layout: STORE_LAYOUT, attach: attachStore },
  pool: {
    layout: POOL_LAYOUT,
    counted: ({ table }: SharedPool) => ({ buffers: [table], word: W_PAGE_COUNT }),
    drivers: ({ type }: SharedPool) => [type],
    attach: (shared: SharedPool) => attachPool(shared),
  },
};

/** Whatever codec and backing store it was made with, it is opened without: its values are not looked at. */
function attachCache(
  shared: SharedCompressedCache & { readonly settings: object; readonly codecId: number },
): CompressedCache {
  const settings = { ...shared.settings, codec: null, backing: false, backingId: null };
  const codec: Codec = {
    name: "unread",
    id: shared.codecId,
    maxCompressedLength: (length) => length,
    compress: () => 0,
    decompress: () => 0,
  };
  return CompressedCache.attach({ ...shared, settings } as never, { codec: () => codec });
}

function attachStore(shared: SharedPageStore): PageStore {
  return PageStore.attach({ ...shared, hasBacking: false } as never, { codec: "none", writeback: false });
}

/** A process and how many of its threads use something. A `pid` of 0: it did not say. */
export interface AtIt {
  readonly pid: number;
  readonly threads: number;
}

/** One line of `zbud list`. */
export interface SharedMemoryInfo {
  readonly name: string;
  readonly path: string;
  /** `"cache"`, `"store"`, `"pool"` or `"index"`; null: it does not say. */
  readonly kind: string | null;
  /**
   * `"outdated"`: of an earlier start of the machine; `"other version"`: of another version of this library. Whoever opens
   * such makes it anew, as with `"damaged"`. `"foreign"`: another kind of file.
   */
  readonly state: SegmentLook["state"] | "other version" | "unreadable";
  readonly bytes: number;
  readonly limitBytes: number | null;
  /** Of a cache or a store. */
  readonly entries: number | null;
  /** In use, of a pool. */
  readonly pages: number | null;
  /** Null: it cannot be seen here. */
  readonly processes: readonly AtIt[] | null;
  /** Milliseconds since 1970. */
  readonly createdAt: number | null;
}

/** Looks without opening. Null: there is no such file. */
export function infoOf(name: string, path: string): SharedMemoryInfo | null {
  const look = lookAtSegment(path, countsOf);
  return look === null ? null : describe(name, look);
}

/** The words that count entries, one for each shard, or a pool's pages. */
function countsOf({ kind, layout, shared }: SegmentDescription): (readonly [unknown, number])[] {
  if (KINDS[kind]?.layout !== layout) return [];
  const { buffers, word } = KINDS[kind].counted(shared as never);
  return buffers.map((buffer) => [buffer, word] as const);
}

function describe(name: string, look: SegmentLook): SharedMemoryInfo {
  const { path, bytes, header, threads, words } = look;
  const description = header?.description;
  const count = words.length === 0 ? null : words.reduce((sum, word) => sum + word, 0);
  const isPool = description?.kind === "pool";
  return {
    name,
    path,
    kind: description?.kind ?? null,
    state: stateOf(look),
    bytes,
    limitBytes: description === undefined ? null : limitOf(description),
    entries: isPool ? null : count,
    pages: isPool ? count : null,
    processes: threads === null ? null : processesOf(threads),
    createdAt: header?.createdAt ?? null,
  };
}

function stateOf({ state, header }: SegmentLook): SharedMemoryInfo["state"] {
  if (state !== "good" || header === null) return state;
  const { kind, layout } = header.description;
  return kind in KINDS && KINDS[kind].layout !== layout ? "other version" : "good";
}

/** Of a cache or a store what it was made with; of a pool its pages. */
function limitOf({ agreement }: SegmentDescription): number | null {
  const { maxBytes, pageSize, maxPages } = agreement;
  if (typeof maxBytes === "number") return maxBytes;
  return typeof pageSize === "number" && typeof maxPages === "number" ? pageSize * maxPages : null;
}

/** Processes, by their numbers. */
export function processesOf(threads: readonly NotedThread[]): AtIt[] {
  const counts = new Map<number, number>();
  for (const { pid } of threads) counts.set(pid, (counts.get(pid) ?? 0) + 1);
  return [...counts].map(([pid, count]) => ({ pid, threads: count })).sort((a, b) => a.pid - b.pid);
}

/** All of this user's folder. One that cannot be looked at is said to be so. */
export function infosOfFolder(): SharedMemoryInfo[] {
  return segmentNames().flatMap((name) => {
    const path = `${segmentFolder()}/${name}`;
    try {
      // It may go meanwhile.
      return infoOf(name, path) ?? [];
    } catch (error) {
      if (!(error instanceof ZbudError)) throw error;
      return { ...UNREADABLE, name, path };
    }
  });
}

const UNREADABLE = {
  kind: null,
  state: "unreadable",
  bytes: 0,
  limitBytes: null,
  entries: null,
  pages: null,
  processes: null,
  createdAt: null,
} as const;

/** Where the memory of a name, or of a path, lies. Throws `EINVAL` for what is neither. */
export function pathOf(name: string): string {
  return segmentPath("NAME", name);
}

/** The error for a name under which there is nothing. */
export function notThere(name: string, path: string): ZbudError {
  const isBare = path === `${segmentFolder()}/${name}`;
  const nearest = isBare ? nearestOf(name, segmentNames()) : undefined;
  const meant = nearest === undefined ? "" : `; did you mean ${show(nearest)}?`;
  return new ZbudError(
    "ENOENT",
    `there is no memory ${isBare ? "with the name" : "at the path"} ${show(name)} that processes share${meant} (zbud list shows what there is)`,
  );
}

/** What a segment holds, opened. */
export interface OpenedMemory {
  readonly name: string;
  readonly kind: string;
  readonly thing: SharedThing;
  /** Entries of the shard that has most, or a pool's pages: what is walked under one lock. */
  readonly most: number;
  /** What is seen of it now, without this process. Throws `ENOENT`, `EBADMSG` if it was removed, replaced or cut off. */
  info(): SharedMemoryInfo;
  close(): void;
}

/**
 * Opens what lies under a name as one more thread of it, whatever its options are.
 *
 * @throws {ZbudError} `ENOENT` if there is nothing, or it was made with a driver that is not built in; `EBADMSG` if
 *   it is damaged; `ENOTSUP` if this command cannot open it; and as `attach`.
 */
export function openMemory(name: string): OpenedMemory {
  const path = pathOf(name);
  if (lookAtSegment(path) === null) throw notThere(name, path);
  if (path.startsWith(`${segmentFolder()}/`)) checkSegmentFolder();
  registerBuiltIns();
  return inFolder(path, () => {
    const look = lookAtSegment(path, countsOf);
    if (look === null) throw notThere(name, path);
    const { header, kind } = readable(name, look);
    const segment = Segment.map(path, header);
    try {
      const thing = lookingOnly(() => KINDS[kind].attach(segment.shared() as never));
      return {
        name,
        kind,
        thing,
        most: Math.max(...look.words),
        info: () => {
          segment.check();
          const info = infoOf(name, path) as SharedMemoryInfo;
          return { ...info, processes: processesOf(new ThreadRegistry(...segment.threads()).living()) };
        },
        close: () => {
          thing[Symbol.dispose]();
          segment.close();
        },
      };
    } catch (error) {
      segment.close();
      throw error;
    }
  });
}

/** Throws what is in the way of opening it. */
function readable(
  name: string,
  look: SegmentLook,
): { header: NonNullable<SegmentLook["header"]>; kind: string } {
  const { header } = look;
  const state = stateOf(look);
  const fault = FAULTS[state];
  if (fault !== undefined) throw new ZbudError(fault[0], `${show(name)} ${fault[1]}`);
  if (header === null) throw new ZbudError("EBADMSG", `${show(name)} has no header`);
  const { kind, shared } = header.description;
  if (!(kind in KINDS)) {
    throw new ZbudError(
      "ENOTSUP",
      `${show(name)} holds ${kind === "index" ? "the index of a file, whose figures are told by whoever uses the file" : `a ${kind}, which this version of zbud does not open`}; zbud list says who is at it`,
    );
  }
  const own = KINDS[kind].drivers(shared as never).find((type) => !hasDriver(type));
  if (own === undefined) return { header, kind };
  throw new ZbudError(
    "ENOTSUP",
    `${show(name)} was made with the driver ${show(own)}, which this command has not (it has ${driverTypes().join(", ")}); call stats() and verify() in a program that has it`,
  );
}

const ANEW = "whoever opens it by its name makes it anew, and zbud rm removes it";

const FAULTS: Partial<Record<SharedMemoryInfo["state"], ["EBADMSG" | "EINVAL", string]>> = {
  damaged: ["EBADMSG", `is damaged: ${ANEW}`],
  outdated: ["EINVAL", `is of an earlier start of the machine, and counts as empty: ${ANEW}`],
  "other version": [
    "EINVAL",
    `was made by another version of zbud, whose zbud command can open it; else ${ANEW}`,
  ],
  foreign: ["EINVAL", "is another kind of file, which zbud did not make"],
};
