/** What threads are at when they die in a pool of size classes. */

import assert from "node:assert/strict";
import type { Handle } from "../../src/base/index.ts";
import { SizeClassPool, sizeClassesDriver } from "../../src/drivers/size-classes/index.ts";
import type { Step } from "./points-worker.ts";
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

/** Goes to pages of 256 bytes, and leaves 30 free there; goes to pages of 512, and leaves 62. */
const SMALL = 192;
const LARGE = 384;

/** Objects by name. */
interface Fixture {
  setup: Setup;
  pool: SizeClassPool;
  take(size: number): Handle;
  drop(handle: Handle): void;
  /** The two pages of segment 0, both full; the first is the LRU's tail. */
  pair: [Handle, Handle];
  couple: [Handle, Handle];
  /** With the bystander, the two pages of segment 1. */
  lone: Handle;
}

/** Eight segments of 512 bytes: one large page each, or two small ones. Segment 2 was used before, and is free. */
function fixture(options: { chunkOrder?: number } = {}): Fixture {
  const pool = new SizeClassPool({
    maxBytes: 8 * 512,
    pageSizes: [
      { pageSize: 256, maxSize: SMALL },
      { pageSize: 512, maxSize: LARGE },
    ],
    chunkOrder: 3,
    ...options,
    shared: true,
  });
  const { fills, take, drop } = filledObjects(pool);
  const two = (): [Handle, Handle] => [take(SMALL), take(30)];
  const pair = two();
  const couple = two();
  const lone = take(SMALL);
  const bystander = take(SMALL);
  drop(take(LARGE));
  const setup: Setup = { pool: pool, fills, bystander, steps: [] };
  return { setup, pool, take, drop, pair, couple, lone };
}

const scenario = scenariosWith(fixture);
const reclaim = (...frees: Handle[]): Step => ({ do: "reclaim", frees });

/** Takes all memory for objects of this size. */
function fillUp({ take }: Fixture, size: number): void {
  for (let i = 0; i < 6 * (size === LARGE ? 1 : 2); i++) take(size);
}

/** There is no memory for an object of this size: its pages starve from here on. */
function starve({ pool }: Fixture, size: number): void {
  assert.equal(pool.alloc(size), "ENOMEM");
}

const OPERATIONS: Scenario[] = [
  scenario("alloc: a segment that was used before", () => ({ steps: [alloc(LARGE)] })),
  scenario("alloc: a segment that never was used", ({ take }) => {
    take(LARGE);
    return { steps: [alloc(SMALL)] };
  }),
  scenario("alloc: a page that was used before", ({ lone, drop }) => {
    drop(lone);
    return { steps: [alloc(SMALL)] };
  }),
  scenario("alloc: a page that never was used", ({ take }) => {
    take(LARGE);
    take(SMALL);
    return { steps: [alloc(SMALL)] };
  }),
  scenario("alloc: first place of a page", ({ pair, drop }) => {
    drop(pair[0]);
    return { steps: [alloc(150)] };
  }),
  scenario("alloc: last place of a page, others on its list", () => ({ steps: [alloc(30)] })),
  scenario("alloc: the only page on its list", ({ lone, drop }) => {
    drop(lone);
    return { steps: [alloc(20)] };
  }),
  scenario("alloc: the gap of a larger page, where no memory is left", ({ take }) => {
    for (let i = 0; i < 6; i++) take(SMALL + 1);
    return { steps: [alloc(SMALL)] };
  }),
  scenario("alloc: no memory", (all) => {
    fillUp(all, LARGE);
    return { steps: [alloc(SMALL)] };
  }),
  scenario("alloc: memory again for pages that starved", (all) => {
    fillUp(all, LARGE);
    starve(all, SMALL);
    return { steps: [free(all.lone), alloc(SMALL)] };
  }),
  scenario("alloc: in pages of many chunks", () => ({ steps: [alloc(2), alloc(300)] }), { chunkOrder: 7 }),
  scenario("free: first of two", ({ pair }) => ({ steps: [free(pair[0])] })),
  scenario("free: last of two", ({ couple }) => ({ steps: [free(couple[1])] })),
  scenario("free: the only object of a page", ({ lone }) => ({ steps: [free(lone)] })),
  scenario("free: the only object of a segment", ({ take }) => {
    const only = take(LARGE);
    return { steps: [free(only)] };
  }),
  scenario("reclaim: both objects freed, page released", ({ pair }) => ({ steps: [reclaim(...pair)] })),
  scenario("reclaim: both pages of a segment", ({ pair, couple }) => ({
    steps: [reclaim(...pair), reclaim(...couple)],
  })),
  scenario("reclaim: the second refused, page listed", ({ pair }) => ({ steps: [reclaim(pair[0])] })),
  scenario("reclaim: refused, page back on the LRU", () => ({ steps: [reclaim()] })),
  scenario("reclaim: of a page with one object", ({ pair, drop }) => {
    drop(pair[0]);
    return { steps: [reclaim(pair[1])] };
  }),
  scenario("reclaim: for pages that starve, a segment of others", (all) => {
    fillUp(all, SMALL);
    starve(all, LARGE);
    return { steps: [reclaim(...all.pair), reclaim(...all.couple), alloc(LARGE)] };
  }),
  scenario("reclaim: for pages that starve, one of theirs, not the tail", (all) => {
    for (const handle of [...all.pair, ...all.couple]) all.drop(handle);
    const others = [all.take(30), all.take(30)];
    for (let i = 0; i < 7; i++) all.take(LARGE);
    starve(all, SMALL);
    const [onBystander, onLone] = others;
    return { steps: [reclaim(all.lone, onLone, onBystander)] };
  }),
  scenario("reclaim: for pages that starve, of a size that was given up", (all) => {
    all.pool.refit([512]);
    fillUp(all, LARGE);
    starve(all, LARGE);
    return { steps: [reclaim(...all.pair), reclaim(...all.couple), alloc(LARGE)] };
  }),
  scenario("refit: a new size and an old one", () => ({ steps: [{ do: "refit", pageSizes: [320, 512] }] })),
  scenario("refit: a size that comes back", ({ pool }) => {
    pool.refit([512]);
    return { steps: [{ do: "refit", pageSizes: [256, 512] }, alloc(SMALL)] };
  }),
  scenario("verify", () => ({ steps: [{ do: "verify" }] })),
  ...visits(scenario, sizeClassesDriver.attach).map((each) => ({ ...each, sampled: true })),
  ...givesBack(
    () =>
      new SizeClassPool({
        maxBytes: 8 * 16384,
        pageSizes: [
          { pageSize: 4096, maxSize: 3000 },
          { pageSize: 16384, maxSize: 12000 },
        ],
        chunkOrder: 3,
        shared: true,
      }),
    3000,
  ),
];

/** One thread died already; the one that repairs dies too, and the next one repairs. */
const REPAIRS: Scenario[] = [
  scenario("repair: of a free under reclaim", ({ pair, lone }) => ({
    before: { steps: [reclaim(pair[0])], lastIn: "intend" },
    steps: [free(lone)],
  })),
  scenario("repair: of an alloc whose page is on no list", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { steps: [alloc(150)], lastIn: "placeIn" }, steps: [free(lone)] };
  }),
  scenario("repair: of a segment that was just taken", ({ lone }) => ({
    before: { steps: [alloc(LARGE)], lastIn: "intend" },
    steps: [free(lone)],
  })),
  scenario("repair: while a living thread reclaims", ({ couple, lone }) => ({
    holds: true,
    before: { steps: [free(couple[0])], lastIn: "list" },
    steps: [free(lone)],
  })),
  scenario("repair: asked for, after a death in the handler", ({ pair }) => ({
    before: { steps: [{ do: "reclaim", frees: [pair[0]], stops: true }], lastIn: null },
    steps: [{ do: "recover" }],
  })),
  scenario("repair: for an alloc, when a dead thread has the last free segment", (all) => {
    fillUp(all, LARGE);
    return {
      before: { steps: [{ do: "reclaim", frees: all.pair, stops: true }], lastIn: null },
      steps: [alloc(SMALL)],
    };
  }),
].map((each, i) => ({ ...each, sampled: i > 0 }));

export const SIZE_CLASSES_SCENARIOS: readonly Scenario[] = [...OPERATIONS, ...REPAIRS].map((each) => ({
  ...each,
  // The lock and the table of threads are those of every pool.
  sampled: true,
}));
