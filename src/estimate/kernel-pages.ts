import { createPool, type SizeClass, sizeClassesOf } from "../drivers/index.ts";
import type { SizeCounts } from "./size-counts.ts";

/** The unit of the kernel's swap: what zram and zswap compress at a time. */
export const KERNEL_PAGE = 4096;
/** What the kernel's zsmalloc puts beside each object: found by filling a real zram with pages of known sizes. */
const OBJECT_BYTES = 8;
/** Pages that are stored to see what zbud makes of them. */
const ZBUD_PAGES_MAX = 16_384;

/** The kernel's zsmalloc: our driver's size classes, with the bytes beside each object and groups of up to 8 pages. */
export class KernelZsmalloc {
  /** The largest compressed page that is kept compressed; a larger one is *huge*: kept as it is, in a page. */
  readonly hugeAbove: number;
  readonly #classOf: Uint16Array;
  readonly #bytesOf: Float64Array;
  readonly #classes: readonly SizeClass[];

  /** @param groupPages - `CONFIG_ZSMALLOC_CHAIN_SIZE`: 8 unless the kernel was built otherwise, 4 before Linux 6.3. */
  constructor(groupPages: number) {
    const classes = sizeClassesOf(KERNEL_PAGE, groupPages);
    const shared = classes.slice(0, -1);
    this.#classes = classes;
    this.hugeAbove = (shared.at(-1)?.size ?? 0) - OBJECT_BYTES;
    this.#classOf = new Uint16Array(KERNEL_PAGE + 1).fill(classes.length - 1);
    for (let size = 0, index = 0; size <= this.hugeAbove; size++) {
      if (size + OBJECT_BYTES > classes[index].size) index += 1;
      this.#classOf[size] = index;
    }
    this.#bytesOf = Float64Array.from(classes, ({ pages, objects }) => (pages * KERNEL_PAGE) / objects);
  }

  /** Bytes that an object of this size takes of its group when that is full; 0 is a page that does not get smaller. */
  bytesFor(size: number): number {
    return size === 0 ? KERNEL_PAGE : this.#bytesOf[this.#classOf[size]];
  }

  /** Bytes of pages for all of these in full groups: what they add to a device that holds much. */
  bytesOf(counts: SizeCounts): number {
    let bytes = 0;
    for (let size = 0; size < counts.length; size++) {
      if (counts[size] > 0) bytes += counts[size] * this.bytesFor(size);
    }
    return bytes;
  }

  /** The most that groups take once which are partly filled: one of each class that is used, but for an object. */
  partialBytesOf(counts: SizeCounts): number {
    const used = new Set<number>();
    for (let size = 1; size < counts.length; size++) if (counts[size] > 0) used.add(this.#classOf[size]);
    let bytes = 0;
    for (const index of used) {
      const { pages, size } = this.#classes[index];
      bytes += pages * KERNEL_PAGE - size;
    }
    return bytes;
  }

  /** Pages that are kept as they are. */
  hugeOf(counts: SizeCounts): number {
    let pages = counts[0];
    for (let size = this.hugeAbove + 1; size < counts.length; size++) pages += counts[size];
    return pages;
  }
}

/** Bytes that zbud takes for these, two objects a page at best: what zswap had by default in older kernels. */
export function zbudBytesOf(counts: SizeCounts): number {
  const all = counts.reduce((sum, count) => sum + count, 0) - counts[0];
  const step = Math.max(1, all / ZBUD_PAGES_MAX);
  const sizes: number[] = [];
  let owed = 0;
  for (let size = 1; size < counts.length; size++) {
    for (owed += counts[size]; owed >= step; owed -= step) sizes.push(size);
  }
  if (sizes.length === 0) return counts[0] * KERNEL_PAGE;
  // As they come, not sorted: a large one next to whatever follows it.
  const pool = createPool("zbud", { pageSize: KERNEL_PAGE, maxPages: sizes.length });
  try {
    for (let i = 0; i < sizes.length; i++) pool.alloc(sizes[(i * STRIDE) % sizes.length]);
    return (pool.stats().pages * KERNEL_PAGE * all) / sizes.length + counts[0] * KERNEL_PAGE;
  } finally {
    pool.close();
  }
}

/** A prime, so that a walk by it visits all and mixes the sizes. */
const STRIDE = 7919;
