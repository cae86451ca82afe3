/**
 * Gives pages their serial numbers: counts them as they are taken. A page is a new one when the pool's page
 * count grew with the alloc; where pages are taken in groups, also when it was not met before.
 */
export class PageSerials {
  readonly #serialOf = new Map<number, number>();
  #next = 0;
  #pages = 0;

  /** The serial of the page that an alloc chose. */
  afterAlloc(page: number, pages: number): number {
    if (pages > this.#pages || !this.#serialOf.has(page)) this.#serialOf.set(page, this.#next++);
    this.#pages = pages;
    return this.#serialOf.get(page) as number;
  }

  /** To be told after whatever else may have released pages. */
  afterRelease(pages: number): void {
    this.#pages = pages;
  }
}
