import { check, checkHeader, NO_OBJECT, verifyPages } from "../../pool/index.ts";
import { chunksOf, type Geometry } from "./geometry.ts";
import {
  firstRowOf,
  type PageTable,
  ROW_SHIFT,
  SIZE_BITS,
  SIZE_MASK,
  SIZES,
  W_BITMAP,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
} from "./page-table.ts";

/**
 * Walks the whole table and checks the invariants I1 to I6 that page-table.ts states, each from the sizes
 * alone.
 *
 * @param reclaims - how many reclaims are under way, each with one page; null if that is not known.
 * @throws {ZbudError} `ECORRUPT` naming the first that is broken, and where.
 */
export function verifyTable(table: PageTable, geometry: Geometry, reclaims: number | null): void {
  checkHeader(table);
  const highWater = table[W_HIGH_WATER];
  check(highWater >= 0 && highWater <= geometry.maxPages, "the high-water mark", highWater);
  const { pageSize, maxPages } = geometry;
  const rows = {
    pageSize,
    maxPages,
    firstRow: firstRowOf(geometry),
    rowShift: ROW_SHIFT,
    highWater,
    heads: W_HEADS,
    bitmap: W_BITMAP,
    lists: geometry.chunkCount,
    freeHead: table[W_FREE_HEAD],
  };
  verifyPages(table, rows, reclaims, (page, row) => {
    const first = checkBuddy(table[row | SIZES], geometry, page);
    const last = checkBuddy(table[row | SIZES | 1], geometry, page);
    const freeChunks = geometry.chunkCount - 1 - first - last;
    check(freeChunks >= 0, "I1: two objects overlap in page", page);
    if (first === 0 && last === 0) return NO_OBJECT;
    return first === 0 || last === 0 ? freeChunks : 0;
  });
}

/** Checks one buddy's word; gives its chunks. */
export function checkBuddy(
  word: number,
  geometry: Pick<Geometry, "chunkSize" | "maxObjectBytes">,
  page: number,
): number {
  const size = word & SIZE_MASK;
  const chunks = word >> SIZE_BITS;
  if (word !== 0) {
    check(size > 0 && size <= geometry.maxObjectBytes, `an impossible size, ${size} bytes, in page`, page);
    check(chunks === chunksOf(geometry, size), `${size} bytes do not take ${chunks} chunks, in page`, page);
  }
  return chunks;
}
