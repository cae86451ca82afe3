/** What threads are at when they die in a slots pool. */

import type { Handle } from "../../src/base/index.ts";
import { SlotsPool, slotsDriver } from "../../src/drivers/slots/index.ts";
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

/** Pages of 64 slots of 4 bytes: 192 bytes leave 16 slots, which 64 bytes fill. */
const LARGE = 192;
const SMALL = 64;

/** Objects by name. */
interface Fixture {
  setup: Setup;
  take(size: number): Handle;
  drop(handle: Handle): void;
  /** Page 0, the LRU's tail: full. */
  pair: [Handle, Handle];
  /** Page 1: full. */
  couple: [Handle, Handle];
  /** Page 2: one object and 16 free slots, as the bystander's page 3. */
  lone: Handle;
}

function fixture(options: { maxPages?: number; maxObjects?: number } = {}): Fixture {
  const pool = new SlotsPool({ maxPages: 8, pageSize: 256, ...options, shared: true });
  const { fills, take, drop } = filledObjects(pool);
  const two = (): [Handle, Handle] => [take(LARGE), take(SMALL)];
  const pair = two();
  const couple = two();
  const lone = take(LARGE);
  const bystander = take(LARGE);
  // A page that was used before, and is free.
  drop(take(LARGE));
  const setup: Setup = { pool, fills, bystander, steps: [] };
  return { setup, take, drop, pair, couple, lone };
}

const scenario = scenariosWith(fixture);

/** Fills page 0 with objects of one slot: beyond six, in further rows. */
function crowd({ take, drop, pair }: Fixture, count: number): Handle[] {
  for (const handle of pair) drop(handle);
  // No other page has a gap.
  take(SMALL);
  take(SMALL);
  return Array.from({ length: count }, () => take(4));
}

const OPERATIONS: Scenario[] = [
  scenario("alloc: a page that was used before", () => ({ steps: [alloc(LARGE)] })),
  scenario("alloc: a page that never was used", ({ take }) => {
    take(LARGE);
    return { steps: [alloc(LARGE)] };
  }),
  scenario("alloc: the only gap of a page, which stays on its list and on others' after it", () => ({
    steps: [alloc(SMALL - 8), alloc(8)],
  })),
  scenario("alloc: a gap of the only page on its list", ({ lone, drop }) => {
    drop(lone);
    return { steps: [alloc(20)] };
  }),
  scenario("alloc: the second of three gaps", (all) => {
    const handles = [20, 8, 20, 8, 20].map((size) => all.take(size)).concat(all.take(SMALL));
    for (const i of [0, 2, 4]) all.drop(handles[i]);
    return { steps: [alloc(18), alloc(8)] };
  }),
  scenario("alloc: no page to be had", () => ({ steps: [alloc(LARGE), alloc(LARGE)] }), { maxPages: 5 }),
  scenario("alloc: in a further row that never was used, and in one more", (all) => {
    crowd(all, 6);
    return { steps: Array.from({ length: 10 }, () => alloc(4)) };
  }),
  scenario("alloc: in a further row that was used before", (all) => {
    const handles = crowd(all, 16);
    for (const handle of handles.slice(6)) all.drop(handle);
    return { steps: [alloc(4)] };
  }),
  scenario(
    "alloc: the page has no record left, and no further row is to be had",
    (all) => {
      crowd(all, 15);
      return { steps: [alloc(4)] };
    },
    { maxObjects: 1 },
  ),
  scenario(
    "free: in a page that had no record left",
    (all) => {
      const handles = crowd(all, 16);
      return { steps: [free(handles[3]), free(handles[12])] };
    },
    { maxObjects: 1 },
  ),
  scenario("free: in a full page", ({ pair }) => ({ steps: [free(pair[0])] })),
  scenario("free: beside a gap, others on the page's list", ({ take }) => {
    const small = take(8);
    return { steps: [free(small)] };
  }),
  scenario("free: away from a longer gap", ({ couple, take, drop }) => {
    drop(couple[0]);
    const handles = [8, 8, 8].map((size) => take(size));
    return { steps: [free(handles[0])] };
  }),
  scenario("free: the only object of a page", ({ lone }) => ({ steps: [free(lone)] })),
  scenario("free: the only object of the only page on its list", ({ pair, couple, drop }) => {
    drop(pair[0]);
    return { steps: [free(pair[1])], bystander: couple[0] };
  }),
  scenario("free: a whole page", ({ take }) => {
    const whole = take(256);
    return { steps: [free(whole)] };
  }),
  scenario("free: one of a further row, then its last, then those of the row before", (all) => {
    const handles = crowd(all, 6 + 9 + 2);
    return { steps: [...handles.slice(15), ...handles.slice(13, 15)].map(free) };
  }),
  scenario("free: the last of a further row that is not the page's first", (all) => {
    const handles = crowd(all, 6 + 9 + 9 + 2);
    for (const handle of handles.slice(7, 15)) all.drop(handle);
    return { steps: [free(handles[6])] };
  }),
  scenario("reclaim: both objects freed, page released", ({ pair }) => ({
    steps: [{ do: "reclaim", frees: pair }],
  })),
  scenario("reclaim: the second refused, page listed", ({ pair }) => ({
    steps: [{ do: "reclaim", frees: [pair[0]] }],
  })),
  scenario("reclaim: refused, page back on the LRU", () => ({ steps: [{ do: "reclaim", frees: [] }] })),
  scenario("reclaim: of a page with one object", ({ pair, drop }) => {
    drop(pair[0]);
    return { steps: [{ do: "reclaim", frees: [pair[1]] }] };
  }),
  scenario("reclaim: of a page with further rows, of which some stay", (all) => {
    const handles = crowd(all, 6 + 9 + 2);
    // To the head of the LRU with all others.
    for (const handle of all.couple) all.drop(handle);
    all.drop(all.lone);
    all.drop(all.setup.bystander);
    const others = [...all.setup.fills.keys()].filter((handle) => !handles.includes(handle));
    for (const handle of others) all.drop(handle);
    const bystander = all.take(256);
    const small = handles.slice(0, 15);
    return { bystander, steps: [{ do: "reclaim", frees: small }] };
  }),
  scenario("verify", () => ({ steps: [{ do: "verify" }] })),
  ...visits(scenario, slotsDriver.attach).map((each) => ({ ...each, sampled: true })),
  ...givesBack(() => new SlotsPool({ maxPages: 8, shared: true }), 4000),
];

const REPAIRS: Scenario[] = [
  scenario("repair: of a free in a further row", (all) => {
    const handles = crowd(all, 6 + 9 + 2);
    all.drop(handles[16]);
    return { before: { steps: [free(handles[15])], lastIn: "intend" }, steps: [free(all.lone)] };
  }),
  scenario("repair: of an alloc whose object is there and whose mask is not", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { steps: [alloc(150)], lastIn: "setRecord" }, steps: [free(lone)] };
  }),
  scenario("repair: of an alloc whose page is on no list", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { steps: [alloc(150)], lastIn: "refill" }, steps: [free(lone)] };
  }),
  ...pageRepairs(scenario, LARGE),
].map((each, i) => ({ ...each, sampled: i > 0 }));

export const SLOTS_SCENARIOS: readonly Scenario[] = [...OPERATIONS, ...REPAIRS];
