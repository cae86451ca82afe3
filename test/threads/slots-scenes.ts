/** What threads are at when they die in a slots pool. */

import type { Handle } from "../../src/base/index.ts";
import { SlotsPool } from "../../src/drivers/slots/index.ts";
import { alloc, free, propsOf, type Scene, type Stage, scenesWith, visits } from "./stage.ts";

/** Pages of 64 slots of 4 bytes: 192 bytes leave 16 slots, which 64 bytes fill. */
const LARGE = 192;
const SMALL = 64;

/** Objects by name. */
interface Cast {
  stage: Stage;
  take(size: number): Handle;
  drop(handle: Handle): void;
  /** Page 0, the LRU's tail: full. */
  pair: [Handle, Handle];
  /** Page 1: full. */
  couple: [Handle, Handle];
  /** Page 2: one object and 16 free slots, as the bystander's page 3. */
  lone: Handle;
}

function cast(options: { maxPages?: number; maxObjects?: number } = {}): Cast {
  const pool = new SlotsPool({ maxPages: 8, pageSize: 256, ...options, shared: true });
  const { fills, take, drop } = propsOf(pool);
  const two = (): [Handle, Handle] => [take(LARGE), take(SMALL)];
  const pair = two();
  const couple = two();
  const lone = take(LARGE);
  const bystander = take(LARGE);
  // A page that was used before, and is free.
  drop(take(LARGE));
  const stage: Stage = { pool, fills, bystander, acts: [] };
  return { stage, take, drop, pair, couple, lone };
}

const scene = scenesWith(cast);

/** Fills page 0 with objects of one slot: beyond six, in further rows. */
function crowd({ take, drop, pair }: Cast, count: number): Handle[] {
  for (const handle of pair) drop(handle);
  // No other page has a gap.
  take(SMALL);
  take(SMALL);
  return Array.from({ length: count }, () => take(4));
}

const OPERATIONS: Scene[] = [
  scene("alloc: a page that was used before", () => ({ acts: [alloc(LARGE)] })),
  scene("alloc: a page that never was used", ({ take }) => {
    take(LARGE);
    return { acts: [alloc(LARGE)] };
  }),
  scene("alloc: the only gap of a page, which stays on its list and on others' after it", () => ({
    acts: [alloc(SMALL - 8), alloc(8)],
  })),
  scene("alloc: a gap of the only page on its list", ({ lone, drop }) => {
    drop(lone);
    return { acts: [alloc(20)] };
  }),
  scene("alloc: the second of three gaps", (all) => {
    const handles = [20, 8, 20, 8, 20].map((size) => all.take(size)).concat(all.take(SMALL));
    for (const i of [0, 2, 4]) all.drop(handles[i]);
    return { acts: [alloc(18), alloc(8)] };
  }),
  scene("alloc: no page to be had", () => ({ acts: [alloc(LARGE), alloc(LARGE)] }), { maxPages: 5 }),
  scene("alloc: in a further row that never was used, and in one more", (all) => {
    crowd(all, 6);
    return { acts: Array.from({ length: 10 }, () => alloc(4)) };
  }),
  scene("alloc: in a further row that was used before", (all) => {
    const handles = crowd(all, 16);
    for (const handle of handles.slice(6)) all.drop(handle);
    return { acts: [alloc(4)] };
  }),
  scene(
    "alloc: the page has no record left, and no further row is to be had",
    (all) => {
      crowd(all, 15);
      return { acts: [alloc(4)] };
    },
    { maxObjects: 1 },
  ),
  scene(
    "free: in a page that had no record left",
    (all) => {
      const handles = crowd(all, 16);
      return { acts: [free(handles[3]), free(handles[12])] };
    },
    { maxObjects: 1 },
  ),
  scene("free: in a full page", ({ pair }) => ({ acts: [free(pair[0])] })),
  scene("free: beside a gap, others on the page's list", ({ take }) => {
    const small = take(8);
    return { acts: [free(small)] };
  }),
  scene("free: away from a longer gap", ({ couple, take, drop }) => {
    drop(couple[0]);
    const handles = [8, 8, 8].map((size) => take(size));
    return { acts: [free(handles[0])] };
  }),
  scene("free: the only object of a page", ({ lone }) => ({ acts: [free(lone)] })),
  scene("free: the only object of the only page on its list", ({ pair, couple, drop }) => {
    drop(pair[0]);
    return { acts: [free(pair[1])], bystander: couple[0] };
  }),
  scene("free: a whole page", ({ take }) => {
    const whole = take(256);
    return { acts: [free(whole)] };
  }),
  scene("free: one of a further row, then its last, then those of the row before", (all) => {
    const handles = crowd(all, 6 + 9 + 2);
    return { acts: [...handles.slice(15), ...handles.slice(13, 15)].map(free) };
  }),
  scene("free: the last of a further row that is not the page's first", (all) => {
    const handles = crowd(all, 6 + 9 + 9 + 2);
    for (const handle of handles.slice(7, 15)) all.drop(handle);
    return { acts: [free(handles[6])] };
  }),
  scene("reclaim: both objects freed, page released", ({ pair }) => ({
    acts: [{ do: "reclaim", frees: pair }],
  })),
  scene("reclaim: the second refused, page listed", ({ pair }) => ({
    acts: [{ do: "reclaim", frees: [pair[0]] }],
  })),
  scene("reclaim: refused, page back on the LRU", () => ({ acts: [{ do: "reclaim", frees: [] }] })),
  scene("reclaim: of a page with one object", ({ pair, drop }) => {
    drop(pair[0]);
    return { acts: [{ do: "reclaim", frees: [pair[1]] }] };
  }),
  scene("reclaim: of a page with further rows, of which some stay", (all) => {
    const handles = crowd(all, 6 + 9 + 2);
    // To the head of the LRU with all others.
    for (const handle of all.couple) all.drop(handle);
    all.drop(all.lone);
    all.drop(all.stage.bystander);
    const others = [...all.stage.fills.keys()].filter((handle) => !handles.includes(handle));
    for (const handle of others) all.drop(handle);
    const bystander = all.take(256);
    const small = handles.slice(0, 15);
    return { bystander, acts: [{ do: "reclaim", frees: small }] };
  }),
  scene("verify", () => ({ acts: [{ do: "verify" }] })),
  ...visits(scene, SlotsPool.attach).map((each) => ({ ...each, sampled: true })),
];

/** One thread died already; the one that repairs dies too, and the next one repairs. */
const REPAIRS: Scene[] = [
  scene("repair: of a free in a further row", (all) => {
    const handles = crowd(all, 6 + 9 + 2);
    all.drop(handles[16]);
    return { before: { acts: [free(handles[15])], lastIn: "intend" }, acts: [free(all.lone)] };
  }),
  scene("repair: of a free under reclaim", ({ pair, lone }) => ({
    before: { acts: [{ do: "reclaim", frees: [pair[0]] }], lastIn: "intend" },
    acts: [free(lone)],
  })),
  scene("repair: of an alloc whose object is there and whose mask is not", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { acts: [alloc(150)], lastIn: "setRecord" }, acts: [free(lone)] };
  }),
  scene("repair: of an alloc whose page is on no list", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { acts: [alloc(150)], lastIn: "refill" }, acts: [free(lone)] };
  }),
  scene("repair: while a living thread reclaims", ({ couple, lone }) => ({
    holds: true,
    before: { acts: [free(couple[0])], lastIn: "putOnList" },
    acts: [free(lone)],
  })),
  scene("repair: asked for, after a death in the handler", ({ pair }) => ({
    before: { acts: [{ do: "reclaim", frees: [pair[0]], stops: true }], lastIn: null },
    acts: [{ do: "recover" }],
  })),
  scene(
    "repair: for an alloc, when a dead thread has the last free page",
    ({ pair }) => ({
      before: { acts: [alloc(LARGE), { do: "reclaim", frees: pair, stops: true }], lastIn: null },
      acts: [alloc(LARGE)],
    }),
    { maxPages: 5 },
  ),
].map((each, i) => ({ ...each, sampled: i > 0 }));

export const SLOTS_SCENES: readonly Scene[] = [...OPERATIONS, ...REPAIRS];
