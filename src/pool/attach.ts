import {
  checkNames,
  isSharedBuffer,
  type LockMemory,
  lockableBufferOf,
  notShared,
  show,
  ZbudError,
} from "../base/index.ts";
import { attachPageMemory, type PageMemory, received, type SharedSegment } from "../memory/index.ts";
import { isPartSize } from "./given-back.ts";
import {
  HEADER_WORDS,
  LAYOUT_MAGIC,
  LAYOUT_VERSION,
  LOCK_CALLER,
  LOCK_OWN,
  type Table,
  tailWordsOf,
  W_DRIVER,
  W_GIVEN_BACK,
  W_INTENT,
  W_LOCK,
  W_LOCKING,
  W_MAGIC,
  W_PAGE_COUNT,
  W_PART_BYTES,
  W_POOL_NUMBER,
  W_VERSION,
} from "./table-header.ts";

/** A shared pool as plain data, to be sent to another thread. */
export interface SharedPool {
  /** Version of the layout. */
  readonly zbud: number;
  /** The driver's name. */
  readonly type: string;
  /** The page table. */
  readonly table: SharedArrayBuffer;
  /** The page bytes. */
  readonly pages: SharedArrayBuffer;
  /** Where its lock is a fast one: the memory whose buffer `table` is, and how many of its words are the table. */
  readonly fast?: { readonly memory: LockMemory; readonly words: number };
  /** Of a pool that processes share: the segment, instead of `table` and `pages`. */
  readonly segment?: SharedSegment;
}

/** The error that says what is wrong with the buffers of a pool. */
export function badBuffers(what: string, cause?: unknown): ZbudError {
  return new ZbudError(
    "EBADMSG",
    `these buffers hold no pool: ${what}; pass on what share() gave, unchanged`,
    cause === undefined ? undefined : { cause },
  );
}

/** What a driver knows of its tables. */
export interface TableLayout<G> {
  readonly driver: number;
  /** What the header of a table says. Throws where no table can say so. */
  geometryOf(table: Table): G;
  tableWordsOf(geometry: G): number;
  /** How long the pages are, and how many there can be. */
  pagesOf(geometry: G): { bytes: number; count: number };
  /** What no table of this geometry can hold, or null. */
  faultOf(table: Table, geometry: G): string | null;
}

/** A pool that another thread made, as a driver makes its own of it. */
export interface OpenedPool<G, Handler> {
  readonly table: Table;
  readonly geometry: G;
  readonly memory: PageMemory;
  readonly onEvict: Handler | undefined;
}

/**
 * Opens the buffers of a pool that another thread made.
 *
 * @param sent - what its `share()` gave there, as it came through `postMessage` or `workerData`.
 * @throws {ZbudError} `EINVAL` if `sent` is no such thing, or an option is none; `EBADMSG` if its buffers hold no pool of
 *   this layout.
 */
export function openPool<G, Handler>(
  sent: SharedPool,
  options: { onEvict?: Handler | undefined },
  layout: TableLayout<G>,
): OpenedPool<G, Handler> {
  const shared = received(sent);
  const table = openSharedTable(shared, layout.driver);
  let geometry: G;
  try {
    geometry = layout.geometryOf(table);
  } catch (cause) {
    throw badBuffers("their geometry is impossible", cause);
  }
  const { bytes, count } = layout.pagesOf(geometry);
  if (
    table.length !==
    layout.tableWordsOf(geometry) + tailWordsOf(table[W_LOCKING], shared.pages.byteLength)
  ) {
    throw badBuffers("the table's length is not its geometry's");
  }
  if (shared.pages.byteLength !== bytes * count) {
    throw badBuffers("the length of the pages is not their geometry's");
  }
  const fault = layout.faultOf(table, geometry);
  if (fault !== null) throw badBuffers(fault);
  const memory = attachPageMemory(bytes, shared.pages);
  checkNames("attach", options, ["onEvict"]);
  return { table, geometry, memory, onEvict: options.onEvict };
}

/** Opens the table of a shared pool and checks what all tables have. */
function openSharedTable(shared: SharedPool, driver: number): Table {
  const { table: sent, pages, fast } = shared ?? {};
  const buffer = fast === undefined ? sent : lockableBufferOf(fast?.memory);
  if (!isSharedBuffer(buffer) || !isSharedBuffer(pages)) {
    throw notShared("a pool", shared, sent);
  }
  const words = fast === undefined ? buffer.byteLength / 4 : fast.words;
  if (!Number.isInteger(words) || words < HEADER_WORDS || 4 * words > buffer.byteLength) {
    throw badBuffers(`a table of ${show(words)} words in ${buffer.byteLength} bytes`);
  }
  const table = new Int32Array(buffer, 0, words);
  if (table[W_MAGIC] !== LAYOUT_MAGIC) throw badBuffers(`the magic number is ${table[W_MAGIC]}`);
  if (table[W_VERSION] !== LAYOUT_VERSION || shared.zbud !== LAYOUT_VERSION) {
    throw new ZbudError(
      "EBADMSG",
      `these buffers hold no pool: its layout has version ${table[W_VERSION]} and this library ${LAYOUT_VERSION}; use one version of it in all threads`,
    );
  }
  if (table[W_DRIVER] !== driver) {
    throw badBuffers(`it is of driver number ${table[W_DRIVER]} and opened as number ${driver}`);
  }
  if (table[W_LOCKING] !== LOCK_OWN && table[W_LOCKING] !== LOCK_CALLER) {
    throw badBuffers(`its kind of lock is ${table[W_LOCKING]}`);
  }
  if (table[W_GIVEN_BACK] < 0 || !(table[W_PART_BYTES] === 0 || isPartSize(table[W_PART_BYTES]))) {
    throw badBuffers(`${table[W_GIVEN_BACK]} parts of ${table[W_PART_BYTES]} bytes are given back`);
  }
  if (table[W_POOL_NUMBER] < 0) throw badBuffers(`its number is ${table[W_POOL_NUMBER]}`);
  if (table[W_LOCK] < 0) throw badBuffers(`its lock says ${table[W_LOCK]}`);
  if (table[W_INTENT] < 0) throw badBuffers(`its note says ${table[W_INTENT]}`);
  if (table[W_PAGE_COUNT] < 0) throw badBuffers(`it has ${table[W_PAGE_COUNT]} pages`);
  return table;
}
