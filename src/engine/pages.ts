import type { SnapshotColumns } from "../pool/index.ts";

/**
 * The pages of several pools as those of one, to be looked at: page `p` of pool `i` is `p * pools + i`, so that a
 * page keeps its number, and pools that are little used leave no gap.
 *
 * @param ordered - whether the pools' LRUs say what goes next. The order of several is taken for one by the share of
 *   each that lies in front; else there is none.
 */
export function onePool(pools: readonly SnapshotColumns[], ordered: boolean): SnapshotColumns {
  const count = pools.length;
  const named = (pages: Int32Array, pool: number): Int32Array => pages.map((page) => page * count + pool);
  const starts = new Int32Array(1 + total(pools, ({ pages }) => pages.length));
  let [row, object] = [0, 0];
  for (const pool of pools) {
    for (let i = 0; i < pool.pages.length; i++) starts[row++] = object + pool.starts[i];
    object += pool.handles.length;
  }
  starts[row] = object;
  return {
    type: [...new Set(pools.map(({ type }) => type))].join(" + ") || "none",
    pageSize: Math.max(0, ...pools.map(({ pageSize }) => pageSize)),
    maxPages: total(pools, ({ maxPages }) => maxPages),
    handles: joined(
      new Float64Array(object),
      pools.map(({ handles }) => handles),
    ),
    offsets: joined(
      new Int32Array(object),
      pools.map(({ offsets }) => offsets),
    ),
    sizes: joined(
      new Int32Array(object),
      pools.map(({ sizes }) => sizes),
    ),
    pages: joined(
      new Int32Array(row),
      pools.map(({ pages }, i) => named(pages, i)),
    ),
    bytes: joined(
      new Int32Array(row),
      pools.map(({ bytes }) => bytes),
    ),
    underReclaim: joined(
      new Uint8Array(row),
      pools.map(({ underReclaim }) => underReclaim),
    ),
    starts,
    ...listsOf(pools, named),
    lru: ordered ? oneOrder(pools.map(({ lru }, i) => named(lru, i))) : new Int32Array(0),
    free: joined(
      new Int32Array(total(pools, ({ free }) => free.length)),
      pools.map(({ free }, i) => named(free, i)),
    ),
  };
}

/** Lists of one name are one. */
function listsOf(
  pools: readonly SnapshotColumns[],
  named: (pages: Int32Array, pool: number) => Int32Array,
): Pick<SnapshotColumns, "lists" | "listStarts" | "listPages"> {
  const lists = new Map<string, Int32Array[]>();
  for (const [i, { lists: names, listStarts, listPages }] of pools.entries()) {
    const pages = named(listPages, i);
    for (const [list, name] of names.entries()) {
      const parts = lists.get(name) ?? [];
      lists.set(name, parts);
      parts.push(pages.subarray(listStarts[list], listStarts[list + 1]));
    }
  }
  const listStarts = new Int32Array(lists.size + 1);
  for (const [i, parts] of [...lists.values()].entries()) {
    listStarts[i + 1] = listStarts[i] + total(parts, ({ length }) => length);
  }
  const listPages = joined(new Int32Array(listStarts[lists.size]), [...lists.values()].flat());
  return { lists: [...lists.keys()], listStarts, listPages };
}

/** Merges orders: of the places in each, as shares of its length, the least is next. */
function oneOrder(orders: readonly Int32Array[]): Int32Array {
  const merged = new Int32Array(total(orders, ({ length }) => length));
  // Sorted by counting, with as many places as there are pages.
  const ends = new Int32Array(merged.length + 1);
  const placeOf = (rank: number, { length }: Int32Array): number =>
    Math.floor(((rank + 0.5) / length) * merged.length);
  for (const order of orders) for (let i = 0; i < order.length; i++) ends[placeOf(i, order) + 1] += 1;
  for (let i = 1; i < ends.length; i++) ends[i] += ends[i - 1];
  for (const order of orders)
    for (let i = 0; i < order.length; i++) merged[ends[placeOf(i, order)]++] = order[i];
  return merged;
}

function joined<T extends Float64Array | Int32Array | Uint8Array>(into: T, parts: readonly T[]): T {
  let at = 0;
  for (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
  return into;
}

function total<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}
