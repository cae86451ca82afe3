import type { ObjectPlace, Place } from "../../pool/index.ts";
import type { Geometry } from "./geometry.ts";
import { firstRowOf, type PageTable, ROW_SHIFT, SIZE_BITS, SIZE_MASK, SIZES } from "./page-table.ts";

/** Where an object lies, and which of its page's two places it took. */
export interface ZbudObjectPlace extends ObjectPlace {
  buddy: "first" | "last";
}

/** Where the object lies whose size is in this word of the table; its size is 0 if it was freed just now. */
export function fillPlace(table: PageTable, geometry: Geometry, word: number, into: Place): void {
  const { pageSize, chunkSize } = geometry;
  const buddy = table[word]; // once: another thread may free the object meanwhile
  const isLast = (word & (SIZES | 1)) === (SIZES | 1);
  const page = (word - firstRowOf(geometry)) >> ROW_SHIFT;
  into.page = page;
  into.pageByte = page * pageSize;
  into.offset = into.pageByte + (isLast ? pageSize - (buddy >> SIZE_BITS) * chunkSize : chunkSize);
  into.size = buddy & SIZE_MASK;
  into.size2 = 0;
}
