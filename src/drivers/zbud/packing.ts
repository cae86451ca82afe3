import { findList } from "../../pool/index.ts";

/**
 * How many pages zbud takes for objects of the given sizes, stored in their order and never freed: exactly, and
 * without pages. What a page's number is does not matter then, only how many pages have each gap.
 *
 * @param sizes - each at most what a page takes.
 */
export function pagesFor(sizes: ArrayLike<number>, pageSize: number, chunkOrder: number): number {
  const chunkCount = 2 ** chunkOrder;
  const chunkSize = pageSize / chunkCount;
  const words = (chunkCount + 31) >> 5;
  const gaps = new Int32Array(chunkCount);
  const bitmap = new Int32Array(words);
  let pages = 0;
  for (let i = 0; i < sizes.length; i++) {
    const chunks = (((sizes[i] - 0.5) / chunkSize) | 0) + 1;
    const gap = findList(bitmap, 0, words, chunks);
    if (gap < chunkCount) {
      if (--gaps[gap] === 0) bitmap[gap >> 5] &= ~(0x8000_0000 >>> (gap & 31));
    } else {
      pages++;
      const left = chunkCount - 1 - chunks;
      gaps[left]++;
      bitmap[left >> 5] |= 0x8000_0000 >>> (left & 31);
    }
  }
  return pages;
}
