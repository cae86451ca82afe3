import type { PoolSnapshot } from "../zpool/index.ts";

/**
 * The pages of several pools as those of one, to be looked at: page `p` of pool `i` is `p * pools + i`, so that a
 * page keeps its number, and pools that are little used leave no gap.
 *
 * @param ordered - whether the pools' LRUs say what goes next. The order of several is taken for one by the share of
 *   each that lies in front; else there is none.
 */
export function onePool(snapshots: readonly PoolSnapshot[], ordered: boolean): PoolSnapshot {
  const count = snapshots.length;
  const lists = new Map<string, number[]>();
  const places: { page: number; at: number }[] = [];
  const merged: PoolSnapshot = {
    type: [...new Set(snapshots.map(({ type }) => type))].join(" + "),
    pageSize: Math.max(0, ...snapshots.map(({ pageSize }) => pageSize)),
    maxPages: snapshots.reduce((sum, { maxPages }) => sum + maxPages, 0),
    pages: [],
    lists: [],
    lru: [],
    free: [],
  };
  snapshots.forEach((snapshot, i) => {
    const named = (page: number): number => page * count + i;
    for (const page of snapshot.pages) merged.pages.push({ ...page, page: named(page.page) });
    for (const list of snapshot.lists) {
      const pages = lists.get(list.name) ?? [];
      lists.set(list.name, pages);
      for (const page of list.pages) pages.push(named(page));
    }
    for (const page of snapshot.free) merged.free.push(named(page));
    const lru = ordered ? snapshot.lru : [];
    for (const [rank, page] of lru.entries())
      places.push({ page: named(page), at: (rank + 0.5) / lru.length });
  });
  merged.pages.sort((a, b) => a.page - b.page);
  merged.lists = [...lists].map(([name, pages]) => ({ name, pages }));
  merged.lru = places.sort((a, b) => a.at - b.at).map(({ page }) => page);
  return merged;
}
