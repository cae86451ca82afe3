/**
 * The slots algorithm once more, written for reading instead of speed: a page is 64 cells that say which object
 * has them, every list an array whose element 0 is the head. It has no handles, no bytes, no masks and no page
 * indices; it predicts which page an object lands in, where, and what a reclaim does in which order.
 */

import assert from "node:assert/strict";
import type { AllocRefusal, PoolSnapshot, ReclaimResult } from "../../../src/pool/index.ts";
import type { Model } from "../zbud/lockstep.ts";
import type { ModelCounters } from "../zbud/zbud-model.ts";

const SLOTS = 64;

export interface SlotsObject {
  readonly size: number;
  readonly offset: number;
  readonly page: SlotsModelPage;
}

export interface SlotsModelPage {
  readonly serial: number;
  readonly cells: (SlotsObject | null)[];
  /** Index of the list that it is on. */
  list: number;
  underReclaim: boolean;
}

interface Gap {
  start: number;
  length: number;
}

export class SlotsModel implements Model {
  readonly pageSize: number;
  readonly chunkSize: number;
  readonly maxObjectBytes: number;
  readonly maxPages: number;
  readonly evicts: boolean;
  readonly counters: ModelCounters = {
    pagesReclaimed: 0,
    objectsEvicted: 0,
    evictionsRefused: 0,
    allocsRefused: { ENOSPC: 0, ENOMEM: 0 },
  };
  pageCount = 0;
  /** `#lists[i]`: pages whose longest gap is i slots. */
  readonly #lists: SlotsModelPage[][] = Array.from({ length: SLOTS + 1 }, () => []);
  readonly #lru: SlotsModelPage[] = [];
  #serial = 0;

  constructor(options: { pageSize: number; maxPages: number; evicts: boolean }) {
    this.pageSize = options.pageSize;
    this.chunkSize = options.pageSize / SLOTS;
    this.maxObjectBytes = options.pageSize;
    this.maxPages = options.maxPages;
    this.evicts = options.evicts;
  }

  needsPage(size: number): boolean {
    return size <= this.maxObjectBytes && this.#bestFit(this.#slotsOf(size)) === null;
  }

  alloc(size: number): SlotsObject | AllocRefusal | "EINVAL" {
    if (typeof size !== "number" || !Number.isInteger(size) || size <= 0) return "EINVAL";
    if (size > this.maxObjectBytes) return this.refuse("ENOSPC");
    const slots = this.#slotsOf(size);
    const shared = this.#bestFit(slots);
    if (shared === null && this.pageCount >= this.maxPages) return this.refuse("ENOMEM");
    const page = shared ?? this.#newPage();
    const fitting = gapsOf(page).filter(({ length }) => length >= slots);
    const tightest = Math.min(...fitting.map(({ length }) => length));
    const { start } = fitting.find(({ length }) => length === tightest) as Gap;
    const object: SlotsObject = { size, offset: start * this.chunkSize, page };
    page.cells.fill(object, start, start + slots);
    if (shared === null) {
      this.#list(page);
    } else {
      this.#relist(page);
      remove(this.#lru, page);
    }
    this.#lru.unshift(page);
    return object;
  }

  refuse(why: AllocRefusal): AllocRefusal {
    this.counters.allocsRefused[why]++;
    return why;
  }

  free(object: SlotsObject): void {
    const { page } = object;
    for (const [i, cell] of page.cells.entries()) if (cell === object) page.cells[i] = null;
    if (page.underReclaim) return;
    if (isEmpty(page)) {
      remove(this.#lists[page.list], page);
      remove(this.#lru, page);
      this.pageCount--;
    } else {
      this.#relist(page);
    }
  }

  /** The reclaim as a coroutine: yields each object to evict, and is resumed with what the handler said. */
  *reclaim(retries: number): Generator<SlotsObject, ReclaimResult, boolean> {
    if (!this.evicts || this.#lru.length === 0 || retries === 0) return "EINVAL";
    for (let tried = 0; tried < retries; tried++) {
      const page = this.#lru.pop();
      // Handlers may have emptied the pool meanwhile.
      if (page === undefined) return "EAGAIN";
      remove(this.#lists[page.list], page);
      page.underReclaim = true;
      try {
        for (let slot = 0; slot < SLOTS; slot++) {
          const object = page.cells[slot];
          if (object === null || object === page.cells[slot - 1]) continue;
          if (!(yield* this.#offer(object))) break;
        }
      } finally {
        page.underReclaim = false;
        if (isEmpty(page)) {
          this.pageCount--;
          this.counters.pagesReclaimed++;
        } else {
          this.#list(page);
          this.#lru.unshift(page);
        }
      }
      if (isEmpty(page)) return "ok";
    }
    return "EAGAIN";
  }

  isInUse(page: SlotsModelPage): boolean {
    return page.underReclaim || !isEmpty(page);
  }

  gaps(): number[] {
    return this.#lists.flatMap((list, gap) => (list.length > 0 && gap > 0 ? [gap] : []));
  }

  /** Each page is on the list of the largest object that really fits it. */
  compare(snapshot: PoolSnapshot, pageOf: ReadonlyMap<SlotsModelPage, number>): void {
    const indices = (pages: readonly SlotsModelPage[]): unknown[] => pages.map((page) => pageOf.get(page));
    assert.deepEqual(snapshot.lru, indices(this.#lru), "the LRU");
    const lists = this.#lists.flatMap((list, gap) =>
      list.length > 0 && gap > 0 ? [{ name: String(gap), pages: indices(list) }] : [],
    );
    assert.deepEqual(snapshot.lists, lists, "the lists");
  }

  /** The page for an object: the head of the list whose pages have the tightest longest gap. */
  #bestFit(slots: number): SlotsModelPage | null {
    return this.#lists.slice(slots).find((list) => list.length > 0)?.[0] ?? null;
  }

  *#offer(object: SlotsObject): Generator<SlotsObject, boolean, boolean> {
    let said = false;
    try {
      said = yield object;
      return said;
    } finally {
      const isGone = !object.page.cells.includes(object);
      if (!isGone) this.counters.evictionsRefused++;
      else if (said) this.counters.objectsEvicted++;
    }
  }

  #newPage(): SlotsModelPage {
    this.pageCount++;
    const cells = new Array<SlotsObject | null>(SLOTS).fill(null);
    return { serial: this.#serial++, cells, list: SLOTS, underReclaim: false };
  }

  #list(page: SlotsModelPage): void {
    page.list = Math.max(0, ...gapsOf(page).map(({ length }) => length));
    this.#lists[page.list].unshift(page);
  }

  /** A page whose longest gap is as long as before keeps its place on its list. */
  #relist(page: SlotsModelPage): void {
    const longest = Math.max(0, ...gapsOf(page).map(({ length }) => length));
    if (longest === page.list) return;
    remove(this.#lists[page.list], page);
    this.#list(page);
  }

  #slotsOf(size: number): number {
    return Math.ceil(size / this.chunkSize);
  }
}

function isEmpty(page: SlotsModelPage): boolean {
  return page.cells.every((cell) => cell === null);
}

function gapsOf(page: SlotsModelPage): Gap[] {
  const gaps: Gap[] = [];
  for (const [slot, cell] of page.cells.entries()) {
    if (cell !== null) continue;
    const last = gaps.at(-1);
    if (last !== undefined && last.start + last.length === slot) last.length++;
    else gaps.push({ start: slot, length: 1 });
  }
  return gaps;
}

function remove(list: SlotsModelPage[], page: SlotsModelPage): void {
  const at = list.indexOf(page);
  if (at < 0) throw new Error(`the model lost page ${page.serial}`);
  list.splice(at, 1);
}
