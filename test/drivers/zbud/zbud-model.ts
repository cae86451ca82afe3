/**
 * The zbud algorithm once more, written for reading instead of speed: every list is an array whose element
 * 0 is the head, every page an object that holds its two buddies. It has no handles, no bytes and no page
 * indices; it predicts which page an object lands in, where, and what a reclaim does in which order.
 */

import assert from "node:assert/strict";
import type { AllocRefusal, PoolSnapshot, ReclaimResult } from "../../../src/pool/index.ts";

/** Which place of its page an object takes. */
export type Buddy = "first" | "last";

/** One live object, as the model sees it. */
export interface ModelObject {
  readonly size: number;
  readonly chunks: number;
  readonly page: ModelPage;
  readonly buddy: Buddy;
  readonly offset: number;
}

/** One page in use. */
export interface ModelPage {
  /** Counts pages as they are taken: a page that was released and taken again has a new one. */
  readonly serial: number;
  first: ModelObject | null;
  last: ModelObject | null;
  underReclaim: boolean;
}

/** What the counters of `stats()` must say. */
export interface ModelCounters {
  pagesReclaimed: number;
  objectsEvicted: number;
  evictionsRefused: number;
  allocsRefused: Record<AllocRefusal, number>;
}

export class ZbudModel {
  readonly pageSize: number;
  readonly chunkSize: number;
  readonly chunksUsable: number;
  readonly maxObjectBytes: number;
  readonly maxPages: number;
  readonly evicts: boolean;
  /** `unbuddied[i]`: pages with one object and `i` free chunks. */
  readonly unbuddied: ModelPage[][];
  readonly buddied: ModelPage[] = [];
  readonly lru: ModelPage[] = [];
  readonly counters: ModelCounters = {
    pagesReclaimed: 0,
    objectsEvicted: 0,
    evictionsRefused: 0,
    allocsRefused: { ENOSPC: 0, ENOMEM: 0 },
  };
  pageCount = 0;
  #serial = 0;

  constructor(options: { pageSize: number; chunkOrder: number; maxPages: number; evicts: boolean }) {
    const chunks = 2 ** options.chunkOrder;
    this.pageSize = options.pageSize;
    this.chunkSize = options.pageSize / chunks;
    this.chunksUsable = chunks - 1;
    this.maxObjectBytes = options.pageSize - 2 * this.chunkSize;
    this.maxPages = options.maxPages;
    this.evicts = options.evicts;
    this.unbuddied = Array.from({ length: chunks }, () => []);
  }

  /** The page that an object of `chunks` would share, or null when it needs a page of its own. */
  bestFit(chunks: number): ModelPage | null {
    for (let free = chunks; free <= this.chunksUsable - 1; free++) {
      if (this.unbuddied[free].length > 0) return this.unbuddied[free][0];
    }
    return null;
  }

  /** Whether the next alloc of `size` bytes takes a page from memory. */
  needsPage(size: number): boolean {
    return size <= this.maxObjectBytes && this.bestFit(Math.ceil(size / this.chunkSize)) === null;
  }

  alloc(size: number): ModelObject | AllocRefusal | "EINVAL" {
    if (typeof size !== "number" || !Number.isInteger(size) || size <= 0) return "EINVAL";
    if (size > this.maxObjectBytes) return this.refuse("ENOSPC");
    const chunks = Math.ceil(size / this.chunkSize);
    const shared = this.bestFit(chunks);
    if (shared === null && this.pageCount >= this.maxPages) return this.refuse("ENOMEM");
    if (shared !== null) this.#unlist(shared);
    const page = shared ?? this.#newPage();
    const buddy: Buddy = page.first === null ? "first" : "last";
    const offset = buddy === "first" ? this.chunkSize : this.pageSize - chunks * this.chunkSize;
    const object: ModelObject = { size, chunks, page, buddy, offset };
    page[buddy] = object;
    this.#list(page);
    if (shared !== null) remove(this.lru, page);
    this.lru.unshift(page);
    return object;
  }

  /** Counts a refusal, and gives it back. */
  refuse(why: AllocRefusal): AllocRefusal {
    this.counters.allocsRefused[why]++;
    return why;
  }

  free(object: ModelObject): void {
    const page = object.page;
    const wasListed = !page.underReclaim;
    if (wasListed) this.#unlist(page);
    page[object.buddy] = null;
    if (!wasListed) return;
    if (page.first === null && page.last === null) {
      remove(this.lru, page);
      this.pageCount--;
    } else {
      this.#list(page);
    }
  }

  isInUse(page: ModelPage): boolean {
    return page.first !== null || page.last !== null || page.underReclaim;
  }

  gaps(): number[] {
    return this.unbuddied.flatMap((list, free) => (list.length > 0 ? [free] : []));
  }

  compare(snapshot: PoolSnapshot, pageOf: ReadonlyMap<ModelPage, number>): void {
    const indices = (pages: readonly ModelPage[]): unknown[] => pages.map((page) => pageOf.get(page));
    assert.deepEqual(snapshot.lru, indices(this.lru), "the LRU");
  }

  /** The reclaim as a coroutine: yields each object to evict, and is resumed with what the handler said. */
  *reclaim(retries: number): Generator<ModelObject, ReclaimResult, boolean> {
    if (!this.evicts || this.lru.length === 0 || retries === 0) return "EINVAL";
    for (let tried = 0; tried < retries; tried++) {
      const page = this.lru.pop() as ModelPage;
      this.#unlist(page);
      page.underReclaim = true;
      try {
        if (page.first === null || (yield* this.#offer(page.first))) {
          if (page.last !== null) yield* this.#offer(page.last);
        }
      } finally {
        page.underReclaim = false;
        this.#settle(page);
      }
      if (page.first === null && page.last === null) return "ok";
    }
    return "EAGAIN";
  }

  *#offer(object: ModelObject): Generator<ModelObject, boolean, boolean> {
    let said = false;
    try {
      said = yield object;
      return said;
    } finally {
      const isGone = object.page[object.buddy] !== object;
      if (!isGone) this.counters.evictionsRefused++;
      else if (said) this.counters.objectsEvicted++;
    }
  }

  #settle(page: ModelPage): void {
    if (page.first === null && page.last === null) {
      this.pageCount--;
      this.counters.pagesReclaimed++;
    } else {
      this.#list(page);
      this.lru.unshift(page);
    }
  }

  #newPage(): ModelPage {
    this.pageCount++;
    return { serial: this.#serial++, first: null, last: null, underReclaim: false };
  }

  #listOf(page: ModelPage): ModelPage[] {
    if (page.first !== null && page.last !== null) return this.buddied;
    const taken = (page.first?.chunks ?? 0) + (page.last?.chunks ?? 0);
    return this.unbuddied[this.chunksUsable - taken];
  }

  #list(page: ModelPage): void {
    this.#listOf(page).unshift(page);
  }

  #unlist(page: ModelPage): void {
    remove(this.#listOf(page), page);
  }
}

function remove(list: ModelPage[], page: ModelPage): void {
  const at = list.indexOf(page);
  if (at < 0) throw new Error(`the model lost page ${page.serial}`);
  list.splice(at, 1);
}
