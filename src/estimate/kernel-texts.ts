import { bytesText, countText, percentText } from "../base/index.ts";
import { codecText } from "./kernel-names.ts";
import type { KernelCodecEstimate, KernelEstimate } from "./kernel-types.ts";

/** How many pages there are, which of them take nothing, and which are huge. */
export function pagesText({ pages, samePages, hugeAbove }: KernelEstimate): string {
  const share = percentText(samePages / pages);
  return `${countText(pages)} pages of 4 KiB; ${countText(samePages)} (${share}) are one word repeated and take nothing. Huge: pages that compress to more than ${countText(hugeAbove)} bytes, kept as they are.`;
}

/** What the figures of memory and time are of. */
export function countingText({ machine, codecs }: KernelEstimate): string {
  return `Memory is what zsmalloc takes in full groups of up to ${machine.groupPages} pages, as after compaction; those that are partly filled add ${bytesText(codecs[0]?.partialBytes ?? 0)} once, at most, and zram's own table about 0.1 % of its size. Times are of this library's codecs on this machine: the kernel's are about as quick.`;
}

/** Where this machine has a codec: `zram zswap?`, or `no`. */
export function hereText({ inThisZram, inThisZswap, inZswap }: KernelCodecEstimate): string {
  const places = [
    inThisZram === true ? "zram" : inThisZram === null ? "zram?" : "",
    !inZswap ? "" : inThisZswap === true ? "zswap" : inThisZswap === null ? "zswap?" : "",
  ].filter((place) => place !== "");
  return places.length === 0 ? "no" : places.join(" ");
}

/** What recompression gains; null if nothing. */
export function recompressionText({ recompression, pages }: KernelEstimate): string | null {
  if (recompression === null) return null;
  const { first, second, firstBytes, bothBytes, pages: gaining } = recompression;
  return `Recompression: ${countText(gaining)} pages (${percentText(gaining / pages)}) get into a smaller class when ${codecText(second)} follows ${codecText(first)}; then all take ${bytesText(bothBytes)} and not ${bytesText(firstBytes)}.`;
}
