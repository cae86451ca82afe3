import type { Place } from "../../pool/index.ts";
import { type Geometry, GROUP_SHIFT, L_SIZE, LAYOUT_SHIFT } from "./geometry.ts";
import { COUNT_BITS, FIRST_PAGE, USED, type ZsmallocTable } from "./table.ts";

/**
 * Where `size` bytes are that begin at a place.
 *
 * @param placeWord - group and place, as a row has them.
 */
export function fillPlace(
  table: ZsmallocTable,
  geometry: Geometry,
  placeWord: number,
  size: number,
  into: Place,
): void {
  const { pageSize, placeBits, firstPage } = geometry;
  const group = geometry.firstGroup + ((placeWord >> placeBits) << GROUP_SHIFT);
  const place = placeWord & ~(-1 << placeBits);
  const start = place * geometry.layouts[((table[group | USED] >> COUNT_BITS) << LAYOUT_SHIFT) | L_SIZE];
  const pagesBefore = (start / pageSize) | 0;
  let page = table[group | FIRST_PAGE];
  for (let i = 0; i < pagesBefore; i++) page = table[firstPage + page - 1];
  const offset = start - pagesBefore * pageSize;
  into.page = page - 1;
  into.pageByte = (page - 1) * pageSize;
  into.offset = into.pageByte + offset;
  into.size = Math.min(size, pageSize - offset);
  into.size2 = size - into.size;
  into.offset2 = into.size2 === 0 ? 0 : (table[firstPage + page - 1] - 1) * pageSize;
}
