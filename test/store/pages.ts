import { Prng } from "../../src/base/index.ts";

/** A page that says its index and version in every word, of one of several kinds. */
export function makePage(index: number, version = 1, bytes = 4096): Uint8Array {
  const page = new Uint8Array(bytes);
  const prng = new Prng(index * 7919 + version * 104_729 + 1);
  const kind = prng.below(5);
  const view = new DataView(page.buffer);
  if (kind === 0) {
    page.fill((index + version) & 0xff);
  } else if (kind === 1) {
    for (let at = 0; at + 4 <= bytes; at += 4) view.setUint32(at, prng.uint32());
  } else {
    for (let at = 0; at + 4 <= bytes; at += 4) {
      view.setUint32(at, prng.chance(0.2) ? prng.below(0x10000) : index ^ version);
    }
  }
  view.setUint32(0, index);
  view.setUint32(4, version);
  if (kind === 0) for (let at = 8; at < bytes; at++) page[at] = page[at & 7];
  return page;
}

/**
 * A page of 4 KiB that compresses to a quarter.
 *
 * @param page - to make it in, where garbage would show.
 */
export function quarterPage(index: number, version = 1, page: Uint8Array = new Uint8Array(4096)): Uint8Array {
  const prng = new Prng(index * 1000 + version);
  const words = new Uint32Array(page.buffer, page.byteOffset, page.length / 16);
  for (let at = 0; at < words.length; at++) words[at] = prng.uint32();
  return page;
}

/** Whether these are the bytes of some version of a page. */
export function isPageOf(index: number, page: Uint8Array): boolean {
  const view = new DataView(page.buffer, page.byteOffset);
  return (
    view.getUint32(0) === index && Buffer.compare(makePage(index, view.getUint32(4), page.length), page) === 0
  );
}
