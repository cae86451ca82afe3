/** What threads are at when they die in a zsmalloc pool. */

import type { Handle } from "../../src/base/index.ts";
import { ZsmallocPool } from "../../src/drivers/zsmalloc/index.ts";
import { alloc, free, propsOf, type Scene, type Stage, scenesWith, visits } from "./stage.ts";

/** Pages of 256 bytes: one object of 250 has a page, four of 64 share one, groups of 112 have several pages. */
const LARGE = 250;
const SMALL = 64;
const ACROSS = 112;
const PAGES = 24;

/** Objects by name. */
interface Cast {
  stage: Stage;
  take(size: number): Handle;
  takeMany(size: number, count: number): Handle[];
  drop(handle: Handle): void;
  /** One of four places of a group: the least full one. */
  lone: Handle;
  /** Two of four places. */
  pair: [Handle, Handle];
}

function cast(options: { maxPages?: number; maxObjects?: number } = {}): Cast {
  const pool = new ZsmallocPool({
    maxPages: PAGES,
    pageSize: 256,
    maxGroupPages: 4,
    ...options,
    shared: true,
  });
  const { fills, take, drop } = propsOf(pool);
  const takeMany = (size: number, count: number): Handle[] => Array.from({ length: count }, () => take(size));
  const group = takeMany(SMALL, 4);
  const pair = takeMany(SMALL, 4);
  for (const handle of [...group.slice(1), ...pair.slice(2)]) drop(handle);
  const bystander = take(LARGE);
  // A page that was used before, and is free.
  drop(take(LARGE));
  const stage: Stage = { pool, fills, bystander, acts: [] };
  return { stage, take, takeMany, drop, lone: group[0], pair: [pair[0], pair[1]] };
}

const scene = scenesWith(cast);

/** Takes pages until so many are left. */
function leave({ stage, take }: Cast, pages: number): Handle[] {
  const handles: Handle[] = [];
  while (stage.pool.pageCount < stage.pool.shape.maxPages - pages) handles.push(take(LARGE));
  return handles;
}

const OPERATIONS: Scene[] = [
  scene("alloc: a place that was freed, in the fullest group", () => ({ acts: [alloc(60)] })),
  scene("alloc: places that never were used, of a new group of pages", ({ take }) => {
    take(LARGE);
    return { acts: [alloc(ACROSS), alloc(100)] };
  }),
  scene("alloc: the last place of a group", () => ({ acts: [alloc(SMALL), alloc(SMALL)] })),
  scene("alloc: a group, rows and pages that were used before", ({ takeMany, drop }) => {
    for (const handle of takeMany(ACROSS, 12)) drop(handle);
    return { acts: [alloc(ACROSS)] };
  }),
  scene("alloc: a short group, where there are not enough pages", (all) => {
    leave(all, 1);
    return { acts: [alloc(ACROSS), alloc(ACROSS)] };
  }),
  scene("alloc: no page to be had", (all) => {
    leave(all, 0);
    return { acts: [alloc(LARGE), alloc(ACROSS)] };
  }),
  scene(
    "alloc: a row that another group has to give, and none that any has",
    ({ takeMany, drop }) => {
      const handles = takeMany(SMALL, 6);
      drop(handles[0]);
      drop(handles[3]);
      return { acts: [alloc(LARGE), alloc(LARGE), alloc(LARGE), alloc(LARGE)] };
    },
    { maxObjects: 11 },
  ),
  scene("free: one of two", ({ pair }) => ({ acts: [free(pair[0])] })),
  scene("free: the only object, others on the group's list", ({ lone, takeMany, drop }) => {
    const more = takeMany(SMALL, 6);
    for (const handle of more.slice(1)) drop(handle);
    return { acts: [free(lone)] };
  }),
  scene("free: the only object of a group of several pages", ({ take }) => ({ acts: [free(take(ACROSS))] })),
  scene("compact: moves, and groups that are released", ({ takeMany, drop }) => {
    for (const size of [ACROSS, 40]) {
      const handles = takeMany(size, 18);
      for (const [i, handle] of handles.entries()) if (i % 3 > 0) drop(handle);
    }
    return { acts: [{ do: "compact" }] };
  }),
  scene("compact: a short group into a whole one, to places that never were used", (all) => {
    const blockers = leave(all, 1);
    all.take(ACROSS);
    for (const handle of blockers) all.drop(handle);
    // The short group is filled, and then a whole one is begun.
    all.takeMany(ACROSS, 2);
    return { acts: [{ do: "compact" }] };
  }),
  scene(
    "compact: where no row is free, one that a group has to give",
    ({ takeMany, drop }) => {
      const across = takeMany(ACROSS, 5);
      drop(across[0]);
      return { acts: [{ do: "compact" }] };
    },
    { maxObjects: 11 },
  ),
  scene("compact: one move of two that a release takes", ({ takeMany, drop, pair, lone }) => {
    for (const handle of [lone, ...pair]) drop(handle);
    const handles = takeMany(SMALL, 8);
    for (const i of [0, 1, 4, 5]) drop(handles[i]);
    return { acts: [{ do: "compact", moves: 1 }] };
  }),
  scene("compact: nothing to do", () => ({ acts: [{ do: "compact" }, { do: "compact" }] })),
  scene("reclaim: all freed, group released", ({ lone }) => ({ acts: [{ do: "reclaim", frees: [lone] }] })),
  scene("reclaim: of a group of several pages", ({ lone, pair, drop, takeMany }) => {
    const across = takeMany(ACROSS, 3);
    for (const handle of [lone, ...pair]) drop(handle);
    return { acts: [{ do: "reclaim", frees: across }] };
  }),
  scene("reclaim: the second refused, group spared", ({ lone, pair, drop }) => {
    drop(lone);
    return { acts: [{ do: "reclaim", frees: [pair[0]] }] };
  }),
  scene("reclaim: of a full group, refused", ({ stage, lone, pair, drop }) => {
    for (const handle of [lone, ...pair]) drop(handle);
    return { acts: [{ do: "reclaim", frees: [] }], bystander: stage.bystander };
  }),
  scene("alloc: in a group that was spared", ({ stage, lone, drop, pair }) => {
    for (const handle of pair) drop(handle);
    const other = ZsmallocPool.attach(stage.pool.share() as never, { onEvict: () => false });
    other.reclaimPage(1);
    other.close();
    return { acts: [alloc(SMALL), free(lone)] };
  }),
  scene("reclaim: of a group that was spared, when there is no other", (all) => {
    for (const handle of [...all.pair, all.stage.bystander]) all.drop(handle);
    const bystander = all.take(SMALL);
    const other = ZsmallocPool.attach(all.stage.pool.share() as never, { onEvict: () => false });
    other.reclaimPage(1);
    other.close();
    return { acts: [{ do: "reclaim", frees: [all.lone] }], bystander };
  }),
  scene("verify", () => ({ acts: [{ do: "verify" }] })),
  ...visits(scene, ZsmallocPool.attach),
];

/** One thread died already; the one that repairs dies too, and the next one repairs. */
const REPAIRS: Scene[] = [
  scene("repair: of an alloc, among groups of all kinds", ({ takeMany, drop, lone }) => {
    const handles = takeMany(ACROSS, 10);
    for (const i of [0, 3, 4, 9]) drop(handles[i]);
    return { before: { acts: [alloc(60)], lastIn: "intend" }, acts: [free(lone)] };
  }),
  scene("repair: of a free under reclaim", ({ lone, pair }) => ({
    before: { acts: [{ do: "reclaim", frees: [lone] }], lastIn: "intend" },
    acts: [free(pair[0])],
  })),
  scene("repair: while a living thread reclaims", ({ pair }) => ({
    holds: true,
    before: { acts: [free(pair[0])], lastIn: "relist" },
    acts: [free(pair[1])],
  })),
  scene("repair: asked for, after a death in the handler", ({ lone, pair, drop }) => {
    drop(lone);
    return {
      before: { acts: [{ do: "reclaim", frees: [pair[0]], stops: true }], lastIn: null },
      acts: [{ do: "recover" }],
    };
  }),
  scene("repair: for an alloc, when a dead thread has the last free page", (all) => {
    leave(all, 0);
    return {
      before: { acts: [{ do: "reclaim", frees: [all.lone], stops: true }], lastIn: null },
      acts: [alloc(LARGE)],
    };
  }),
];

/** Each store of each operation has its turn in test/drivers/zsmalloc/cut-off.test.ts; so here each point, and a sample. */
export const ZSMALLOC_SCENES: readonly Scene[] = [
  ...OPERATIONS.map((each) => ({ ...each, sampled: true })),
  ...REPAIRS.map((each) => ({ ...each, sampled: true })),
];
