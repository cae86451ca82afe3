import { ZbudError } from "../../base/index.ts";
import type { PageMemory } from "../../memory/index.ts";
import type { Geometry } from "./geometry.ts";
import { firstRowOf, type PageTable, ROW_SHIFT, SIZE_BITS, SIZE_MASK, SIZES } from "./page-table.ts";

/** Where an object lies, and which of its page's two places it took. */
export interface ZbudObjectPlace {
  page: number;
  offset: number;
  size: number;
  buddy: "first" | "last";
}

/** Where the object lies whose size is in this word of the table; its size is 0 if it was freed just now. */
export function placeOf(table: PageTable, geometry: Geometry, word: number): ZbudObjectPlace {
  const { pageSize, chunkSize } = geometry;
  const buddy = table[word]; // once: another thread may free the object meanwhile
  const isLast = (word & (SIZES | 1)) === (SIZES | 1);
  return {
    page: (word - firstRowOf(geometry)) >> ROW_SHIFT,
    offset: isLast ? pageSize - (buddy >> SIZE_BITS) * chunkSize : chunkSize,
    size: buddy & SIZE_MASK,
    buddy: isLast ? "last" : "first",
  };
}

/**
 * A view of `size` bytes of the page memory.
 *
 * @throws {ZbudError} `EINVAL` if they are not there: somebody got at the buffer through a view of it.
 */
export function viewOf(memory: PageMemory, byte: number, size: number): Uint8Array {
  try {
    return new Uint8Array(memory.buffer, byte, size);
  } catch (cause) {
    throw new ZbudError(
      "EINVAL",
      "the pool's buffer was transferred or resized through a view's .buffer; copy an object with read() to send it on",
      { cause },
    );
  }
}
