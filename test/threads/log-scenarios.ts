/** What threads are at when they die in a log pool. */

import type { Handle } from "../../src/base/index.ts";
import { LogPool, logDriver } from "../../src/drivers/log/index.ts";
import {
  alloc,
  filledObjects,
  free,
  givesBack,
  pageRepairs,
  type Scenario,
  type Setup,
  scenariosWith,
  visits,
} from "./scenario.ts";

/** Pages of 512 bytes: one object of 500 has a page, two of 256 share one, four of 128. */
const LARGE = 500;
const HALF = 256;
const QUARTER = 128;
const PAGES = 16;

/** Objects by name, on pages in this order. */
interface Fixture {
  setup: Setup;
  take(size: number): Handle;
  takeMany(size: number, count: number): Handle[];
  drop(...handles: Handle[]): void;
  /** On one full page. */
  pair: [Handle, Handle];
  /** Another pair. */
  couple: [Handle, Handle];
  /** Alone on its page. */
  lone: Handle;
}

function fixture(options: { maxPages?: number; maxObjects?: number } = {}): Fixture {
  const pool = new LogPool({ maxPages: PAGES, pageSize: 512, ...options, shared: true });
  const { fills, take, drop } = filledObjects(pool);
  const takeMany = (size: number, count: number): Handle[] => Array.from({ length: count }, () => take(size));
  const [first, second, third, fourth] = takeMany(HALF, 4);
  const lone = take(LARGE);
  const bystander = take(LARGE);
  // A page that was used before, and is free; none is open.
  drop(take(LARGE));
  const setup: Setup = { pool, fills, bystander, steps: [] };
  const dropAll = (...handles: Handle[]): void => {
    for (const handle of handles) drop(handle);
  };
  return { setup, take, takeMany, drop: dropAll, pair: [first, second], couple: [third, fourth], lone };
}

const scenario = scenariosWith(fixture);

/** Pages of four objects each, of which those at the positions `gone` are freed. Gives the others. */
function withGaps({ takeMany, drop }: Fixture, pages: number, ...gone: number[]): Handle[] {
  const handles = takeMany(QUARTER, 4 * pages);
  drop(...handles.filter((_, i) => gone.includes(i % 4)));
  return handles.filter((_, i) => !gone.includes(i % 4));
}

/** Takes pages until there is none. */
function fill({ setup, take }: Fixture): Handle[] {
  const handles: Handle[] = [];
  while (setup.pool.pageCount < setup.pool.shape.maxPages) handles.push(take(LARGE));
  return handles;
}

const OPERATIONS: Scenario[] = [
  scenario("alloc: a page that was used before, and behind its first object", () => ({
    steps: [alloc(40), alloc(40)],
  })),
  scenario("alloc: a page that never was used, a row too; the open page is listed", ({ take }) => {
    take(LARGE - 100);
    return { steps: [alloc(QUARTER), alloc(LARGE)] };
  }),
  scenario("alloc: cleans a page", (all) => {
    withGaps(all, 3, 0, 2);
    return { steps: [alloc(QUARTER), alloc(QUARTER)] };
  }),
  scenario("alloc: cleans the open page, where there is no other", (all) => {
    const [large] = fill(all);
    all.drop(large);
    withGaps(all, 1, 1, 3);
    return { steps: [alloc(HALF)] };
  }),
  scenario("openGap: of a page, and of the open one", (all) => {
    withGaps(all, 3, 0);
    const openGap = (tight: boolean) => ({ do: "openGap", bytes: QUARTER, tight }) as const;
    return { steps: [openGap(false), alloc(QUARTER), openGap(false), alloc(QUARTER), openGap(true)] };
  }),
  scenario("openGap: no page has so much free", (all) => {
    fill(all);
    return { steps: [{ do: "openGap", bytes: HALF, tight: true }] };
  }),
  scenario("alloc: no page to be had", (all) => {
    fill(all);
    return { steps: [alloc(LARGE), alloc(QUARTER)] };
  }),
  scenario(
    "alloc: rows of freed objects, of the front, the middle and the end of a chain, and none",
    (all) => {
      const handles = all.takeMany(QUARTER, 8);
      all.drop(handles[0], handles[2], handles[7], handles[4]);
      return { steps: [1, 2, 3, 4, 5].map(() => alloc(8)) };
    },
    { maxObjects: 14 },
  ),
  scenario("free: one of two, so that the page is listed", ({ couple }) => ({ steps: [free(couple[0])] })),
  scenario("free: the page goes to another list, and then it is free", ({ takeMany }) => {
    const handles = takeMany(QUARTER, 5);
    return { steps: [free(handles[1]), free(handles[3]), free(handles[0]), free(handles[2])] };
  }),
  scenario(
    "free: while no row is left",
    ({ takeMany, couple }) => {
      takeMany(QUARTER, 8);
      return { steps: [free(couple[1]), alloc(8)] };
    },
    { maxObjects: 14 },
  ),
  scenario("free: in the open page, and its last object", ({ takeMany }) => {
    const [one, other] = takeMany(QUARTER, 2);
    return { steps: [free(one), free(other)] };
  }),
  scenario("compact: into the open page, and into new ones", (all) => {
    withGaps(all, 4, 1, 2);
    all.take(QUARTER);
    return { steps: [{ do: "compact" }] };
  }),
  scenario("compact: some of a page into the open one, the rest into a new one", (all) => {
    withGaps(all, 3, 0, 2);
    all.takeMany(QUARTER, 3);
    return { steps: [{ do: "compact" }] };
  }),
  scenario("compact: the open page too", (all) => {
    withGaps(all, 3, 0, 3);
    return { steps: [{ do: "compact", moves: 1 }] };
  }),
  scenario("compact: nothing comes of it", ({ takeMany, drop }) => {
    const handles = takeMany(40, 24);
    drop(handles[0], handles[20]);
    return { steps: [{ do: "compact" }] };
  }),
  scenario("reclaim: all freed, page released", ({ pair }) => ({ steps: [{ do: "reclaim", frees: pair }] })),
  scenario("reclaim: the second refused, page spared", ({ pair }) => ({
    steps: [{ do: "reclaim", frees: [pair[0]] }],
  })),
  scenario("reclaim: of the open page", ({ setup, pair, couple, lone, drop, takeMany }) => {
    drop(...pair, ...couple, lone);
    const [one, other] = takeMany(QUARTER, 2);
    drop(setup.bystander);
    return { steps: [{ do: "reclaim", frees: [one] }], bystander: other };
  }),
  scenario("reclaim: of a page that is on a list", ({ pair, drop }) => {
    drop(pair[0]);
    return { steps: [{ do: "reclaim", frees: [pair[1]] }] };
  }),
  scenario("reclaim: none to be had", ({ setup, pair, couple, lone, drop }) => {
    drop(...pair, ...couple, lone);
    return { holds: true, steps: [{ do: "reclaim", frees: [] }], bystander: setup.bystander };
  }),
  scenario("verify", () => ({ steps: [{ do: "verify" }] })),
  ...visits(scenario, logDriver.attach),
  ...givesBack(() => new LogPool({ maxPages: PAGES, shared: true }), 4000),
];

/** One thread died already; the one that repairs dies too, and the next one repairs. */
const REPAIRS: Scenario[] = [
  scenario("repair: of an alloc that cleaned, among pages of all kinds", (all) => {
    withGaps(all, 3, 0, 2);
    return { before: { steps: [alloc(60)], lastIn: "intend" }, steps: [free(all.lone)] };
  }),
  scenario("repair: of a move", (all) => {
    withGaps(all, 4, 1, 2);
    return { before: { steps: [{ do: "compact" }], lastIn: "moveAll" }, steps: [free(all.lone)] };
  }),
  scenario("repair: of a release, among rows of freed objects", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { steps: [free(couple[1])], lastIn: "freeRow" }, steps: [free(lone)] };
  }),
  ...pageRepairs(scenario, LARGE),
];

/** Each store of each operation has its turn in test/drivers/log/cut-off.test.ts; so here each point, and a sample. */
export const LOG_SCENARIOS: readonly Scenario[] = [
  ...OPERATIONS.map((each) => ({ ...each, sampled: true })),
  ...REPAIRS.map((each) => ({ ...each, sampled: true })),
];
