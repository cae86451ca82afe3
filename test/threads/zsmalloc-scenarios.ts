/** What threads are at when they die in a zsmalloc pool. */

import type { Handle } from "../../src/base/index.ts";
import { ZsmallocPool, zsmallocDriver } from "../../src/drivers/zsmalloc/index.ts";
import {
  alloc,
  filledObjects,
  free,
  givesBack,
  type Scenario,
  type Setup,
  scenariosWith,
  visits,
} from "./scenario.ts";

/** Pages of 256 bytes: one object of 250 has a page, four of 64 share one, groups of 112 have several pages. */
const LARGE = 250;
const SMALL = 64;
const ACROSS = 112;
const PAGES = 24;

/** Objects by name. */
interface Fixture {
  setup: Setup;
  take(size: number): Handle;
  takeMany(size: number, count: number): Handle[];
  drop(handle: Handle): void;
  /** One of four places of a group: the least full one. */
  lone: Handle;
  /** Two of four places. */
  pair: [Handle, Handle];
}

function fixture(options: { maxPages?: number; maxObjects?: number } = {}): Fixture {
  const pool = new ZsmallocPool({
    maxPages: PAGES,
    pageSize: 256,
    maxGroupPages: 4,
    ...options,
    shared: true,
  });
  const { fills, take, drop } = filledObjects(pool);
  const takeMany = (size: number, count: number): Handle[] => Array.from({ length: count }, () => take(size));
  const group = takeMany(SMALL, 4);
  const pair = takeMany(SMALL, 4);
  for (const handle of [...group.slice(1), ...pair.slice(2)]) drop(handle);
  const bystander = take(LARGE);
  // A page that was used before, and is free.
  drop(take(LARGE));
  const setup: Setup = { pool, fills, bystander, steps: [] };
  return { setup, take, takeMany, drop, lone: group[0], pair: [pair[0], pair[1]] };
}

const scenario = scenariosWith(fixture);

/** Takes pages until so many are left. */
function leave({ setup, take }: Fixture, pages: number): Handle[] {
  const handles: Handle[] = [];
  while (setup.pool.pageCount < setup.pool.shape.maxPages - pages) handles.push(take(LARGE));
  return handles;
}

const OPERATIONS: Scenario[] = [
  scenario("alloc: a place that was freed, in the fullest group", () => ({ steps: [alloc(60)] })),
  scenario("alloc: places that never were used, of a new group of pages", ({ take }) => {
    take(LARGE);
    return { steps: [alloc(ACROSS), alloc(100)] };
  }),
  scenario("alloc: the last place of a group", () => ({ steps: [alloc(SMALL), alloc(SMALL)] })),
  scenario("alloc: a group, rows and pages that were used before", ({ takeMany, drop }) => {
    for (const handle of takeMany(ACROSS, 12)) drop(handle);
    return { steps: [alloc(ACROSS)] };
  }),
  scenario("alloc: a short group, where there are not enough pages", (all) => {
    leave(all, 1);
    return { steps: [alloc(ACROSS), alloc(ACROSS)] };
  }),
  scenario("alloc: no page to be had", (all) => {
    leave(all, 0);
    return { steps: [alloc(LARGE), alloc(ACROSS)] };
  }),
  scenario(
    "alloc: a row that another group has to give, and none that any has",
    ({ takeMany, drop }) => {
      const handles = takeMany(SMALL, 6);
      drop(handles[0]);
      drop(handles[3]);
      return { steps: [alloc(LARGE), alloc(LARGE), alloc(LARGE), alloc(LARGE)] };
    },
    { maxObjects: 11 },
  ),
  scenario("free: one of two", ({ pair }) => ({ steps: [free(pair[0])] })),
  scenario("free: the only object, others on the group's list", ({ lone, takeMany, drop }) => {
    const more = takeMany(SMALL, 6);
    for (const handle of more.slice(1)) drop(handle);
    return { steps: [free(lone)] };
  }),
  scenario("free: the only object of a group of several pages", ({ take }) => ({
    steps: [free(take(ACROSS))],
  })),
  scenario("compact: moves, and groups that are released", ({ takeMany, drop }) => {
    for (const size of [ACROSS, 40]) {
      const handles = takeMany(size, 18);
      for (const [i, handle] of handles.entries()) if (i % 3 > 0) drop(handle);
    }
    return { steps: [{ do: "compact" }] };
  }),
  scenario("compact: a short group into a whole one, to places that never were used", (all) => {
    const blockers = leave(all, 1);
    all.take(ACROSS);
    for (const handle of blockers) all.drop(handle);
    // The short group is filled, and then a whole one is begun.
    all.takeMany(ACROSS, 2);
    return { steps: [{ do: "compact" }] };
  }),
  scenario(
    "compact: where no row is free, one that a group has to give",
    ({ takeMany, drop }) => {
      const across = takeMany(ACROSS, 5);
      drop(across[0]);
      return { steps: [{ do: "compact" }] };
    },
    { maxObjects: 11 },
  ),
  scenario("compact: one move of two that a release takes", ({ takeMany, drop, pair, lone }) => {
    for (const handle of [lone, ...pair]) drop(handle);
    const handles = takeMany(SMALL, 8);
    for (const i of [0, 1, 4, 5]) drop(handles[i]);
    return { steps: [{ do: "compact", moves: 1 }] };
  }),
  scenario("compact: nothing to do", () => ({ steps: [{ do: "compact" }, { do: "compact" }] })),
  scenario("reclaim: all freed, group released", ({ lone }) => ({
    steps: [{ do: "reclaim", frees: [lone] }],
  })),
  scenario("reclaim: of a group of several pages", ({ lone, pair, drop, takeMany }) => {
    const across = takeMany(ACROSS, 3);
    for (const handle of [lone, ...pair]) drop(handle);
    return { steps: [{ do: "reclaim", frees: across }] };
  }),
  scenario("reclaim: the second refused, group spared", ({ lone, pair, drop }) => {
    drop(lone);
    return { steps: [{ do: "reclaim", frees: [pair[0]] }] };
  }),
  scenario("reclaim: of a full group, refused", ({ setup, lone, pair, drop }) => {
    for (const handle of [lone, ...pair]) drop(handle);
    return { steps: [{ do: "reclaim", frees: [] }], bystander: setup.bystander };
  }),
  scenario("alloc: in a group that was spared", ({ setup, lone, drop, pair }) => {
    for (const handle of pair) drop(handle);
    const other = zsmallocDriver.attach(setup.pool.share() as never, { onEvict: () => false });
    other.reclaimPage(1);
    other.close();
    return { steps: [alloc(SMALL), free(lone)] };
  }),
  scenario("reclaim: of a group that was spared, when there is no other", (all) => {
    for (const handle of [...all.pair, all.setup.bystander]) all.drop(handle);
    const bystander = all.take(SMALL);
    const other = zsmallocDriver.attach(all.setup.pool.share() as never, { onEvict: () => false });
    other.reclaimPage(1);
    other.close();
    return { steps: [{ do: "reclaim", frees: [all.lone] }], bystander };
  }),
  scenario("verify", () => ({ steps: [{ do: "verify" }] })),
  ...visits(scenario, zsmallocDriver.attach),
  ...givesBack(() => new ZsmallocPool({ maxPages: PAGES, maxGroupPages: 4, shared: true }), 4000),
];

/** One thread died already; the one that repairs dies too, and the next one repairs. */
const REPAIRS: Scenario[] = [
  scenario("repair: of an alloc, among groups of all kinds", ({ takeMany, drop, lone }) => {
    const handles = takeMany(ACROSS, 10);
    for (const i of [0, 3, 4, 9]) drop(handles[i]);
    return { before: { steps: [alloc(60)], lastIn: "intend" }, steps: [free(lone)] };
  }),
  scenario("repair: of a free under reclaim", ({ lone, pair }) => ({
    before: { steps: [{ do: "reclaim", frees: [lone] }], lastIn: "intend" },
    steps: [free(pair[0])],
  })),
  scenario("repair: while a living thread reclaims", ({ pair }) => ({
    holds: true,
    before: { steps: [free(pair[0])], lastIn: "relist" },
    steps: [free(pair[1])],
  })),
  scenario("repair: asked for, after a death in the handler", ({ lone, pair, drop }) => {
    drop(lone);
    return {
      before: { steps: [{ do: "reclaim", frees: [pair[0]], stops: true }], lastIn: null },
      steps: [{ do: "recover" }],
    };
  }),
  scenario("repair: for an alloc, when a dead thread has the last free page", (all) => {
    leave(all, 0);
    return {
      before: { steps: [{ do: "reclaim", frees: [all.lone], stops: true }], lastIn: null },
      steps: [alloc(LARGE)],
    };
  }),
];

/** Each store of each operation has its turn in test/drivers/zsmalloc/cut-off.test.ts; so here each point, and a sample. */
export const ZSMALLOC_SCENARIOS: readonly Scenario[] = [
  ...OPERATIONS.map((each) => ({ ...each, sampled: true })),
  ...REPAIRS.map((each) => ({ ...each, sampled: true })),
];
