import { isSharedBuffer, show, ZbudError } from "../../base/index.ts";
import { type Geometry, geometryOf } from "./geometry.ts";
import {
  LAYOUT_MAGIC,
  LAYOUT_VERSION,
  type PageTable,
  tableBytesOf,
  W_CHUNK_ORDER,
  W_HEADS,
  W_HIGH_WATER,
  W_INTENT,
  W_LOCK,
  W_MAGIC,
  W_MAX_PAGES,
  W_PAGE_SIZE,
  W_POOL_NUMBER,
  W_VERSION,
} from "./page-table.ts";

/** A shared pool as plain data, to be sent to another thread. */
export interface SharedZbudPool {
  /** Version of the layout. */
  readonly zbud: number;
  /** The page table. */
  readonly table: SharedArrayBuffer;
  /** The page bytes. */
  readonly pages: SharedArrayBuffer;
}

/** A table that was made elsewhere, and what its header says. */
export interface AttachedTable {
  table: PageTable;
  geometry: Geometry;
}

/**
 * Opens the table of a shared pool.
 *
 * @throws {ZbudError} `EINVAL` if `shared` is not what `share()` gives; `EBADMSG` if its buffers do not hold
 *   a pool of this layout.
 */
export function openTable(shared: SharedZbudPool): AttachedTable {
  const { table: buffer, pages } = shared ?? {};
  if (!isSharedBuffer(buffer) || !isSharedBuffer(pages)) {
    throw new ZbudError("EINVAL", `attach takes what share() of a pool gave, not ${show(shared)}`);
  }
  const bad = (what: string): ZbudError =>
    new ZbudError("EBADMSG", `these buffers hold no pool: ${what}; pass on what share() gave, unchanged`);
  if (buffer.byteLength < 4 * W_HEADS || buffer.byteLength % 4 !== 0) {
    throw bad(`a table of ${buffer.byteLength} bytes`);
  }
  const table = new Int32Array(buffer);
  if (table[W_MAGIC] !== LAYOUT_MAGIC) throw bad(`the magic number is ${table[W_MAGIC]}`);
  if (table[W_VERSION] !== LAYOUT_VERSION || shared.zbud !== LAYOUT_VERSION) {
    throw bad(
      `its layout has version ${table[W_VERSION]} and this library ${LAYOUT_VERSION}; use one version of it in all threads`,
    );
  }
  let geometry: Geometry;
  try {
    geometry = geometryOf(table[W_PAGE_SIZE], table[W_CHUNK_ORDER], table[W_MAX_PAGES]);
  } catch (cause) {
    throw new ZbudError("EBADMSG", "these buffers hold no pool: their geometry is impossible", { cause });
  }
  const { pageSize, maxPages } = geometry;
  if (buffer.byteLength !== tableBytesOf(geometry, true))
    throw bad("the table's length is not its geometry's");
  if (pages.byteLength !== pageSize * maxPages) throw bad("the length of the pages is not their geometry's");
  if (table[W_POOL_NUMBER] < 0) throw bad(`its number is ${table[W_POOL_NUMBER]}`);
  if (table[W_LOCK] < 0) throw bad(`its lock says ${table[W_LOCK]}`);
  if (table[W_INTENT] < 0 || table[W_INTENT] > 2 * maxPages) throw bad(`its note says ${table[W_INTENT]}`);
  if (table[W_HIGH_WATER] < 0 || table[W_HIGH_WATER] > maxPages)
    throw bad("more pages in use than there are");
  return { table, geometry };
}
