import type { Frame } from "../../src/viewer/snapshot-frame.ts";

/** How pages are arranged on the map. */
export type Arrangement = "memory" | "lru" | "list";

/** A frame with what the parts of the page look up in it, each found once. */
export class Model {
  readonly frame: Frame;
  /** Row of each page in use, by page; -1: not in use. */
  readonly rowOf: Int32Array;
  /** For each row, its place in the LRU from the head, or -1. */
  readonly rank: Int32Array;
  /** For each row, the list that it is on, or -1. */
  readonly list: Int32Array;
  readonly #orders = new Map<Arrangement, Int32Array>();

  constructor(frame: Frame) {
    this.frame = frame;
    const { pages, lru, listStarts, listPages, lists } = frame;
    let pageMax = -1;
    for (const page of pages) if (page > pageMax) pageMax = page;
    this.rowOf = new Int32Array(pageMax + 1).fill(-1);
    for (let row = 0; row < pages.length; row++) this.rowOf[pages[row]] = row;
    this.rank = new Int32Array(pages.length).fill(-1);
    for (let i = 0; i < lru.length; i++) this.rank[this.rowOf[lru[i]]] = i;
    this.list = new Int32Array(pages.length).fill(-1);
    for (let list = 0; list < lists.length; list++) {
      for (let i = listStarts[list]; i < listStarts[list + 1]; i++)
        this.list[this.rowOf[listPages[i]]] = list;
    }
  }

  /** Rows in the order of their cells; -1: an empty cell. */
  order(arrangement: Arrangement): Int32Array {
    let order = this.#orders.get(arrangement);
    if (order === undefined) {
      order = this.#arrange(arrangement);
      this.#orders.set(arrangement, order);
    }
    return order;
  }

  #arrange(arrangement: Arrangement): Int32Array {
    if (arrangement === "memory") return this.rowOf;
    const { frame } = this;
    const named = arrangement === "lru" ? frame.lru : frame.listPages;
    const missing = arrangement === "lru" ? this.rank : this.list;
    const order = new Int32Array(frame.pages.length);
    let at = 0;
    for (const page of named) order[at++] = this.rowOf[page];
    // Pages that are on none: under reclaim, or with nothing free.
    for (let row = 0; row < order.length && at < order.length; row++) if (missing[row] < 0) order[at++] = row;
    return order;
  }

  /** From 0, just allocated into, to 1, next to be reclaimed; null without an LRU. */
  age(row: number): number | null {
    const count = this.frame.lru.length;
    const rank = this.rank[row];
    return count === 0 || rank < 0 ? null : count === 1 ? 0 : rank / (count - 1);
  }
}
