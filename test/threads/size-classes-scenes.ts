/** What threads are at when they die in a pool of size classes. */

import assert from "node:assert/strict";
import type { Handle } from "../../src/base/index.ts";
import { SizeClassPool } from "../../src/drivers/size-classes/index.ts";
import type { Act } from "./points-worker.ts";
import { alloc, free, propsOf, type Scene, type Stage, scenesWith, visits } from "./stage.ts";

/** Goes to pages of 256 bytes, and leaves 30 free there; goes to pages of 512, and leaves 62. */
const SMALL = 192;
const LARGE = 384;

/** Objects by name. */
interface Cast {
  stage: Stage;
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
function cast(options: { chunkOrder?: number } = {}): Cast {
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
  const { fills, take, drop } = propsOf(pool);
  const two = (): [Handle, Handle] => [take(SMALL), take(30)];
  const pair = two();
  const couple = two();
  const lone = take(SMALL);
  const bystander = take(SMALL);
  drop(take(LARGE));
  const stage: Stage = { pool, fills, bystander, acts: [] };
  return { stage, pool, take, drop, pair, couple, lone };
}

const scene = scenesWith(cast);
const reclaim = (...frees: Handle[]): Act => ({ do: "reclaim", frees });

/** Takes all memory for objects of this size. */
function fillUp({ take }: Cast, size: number): void {
  for (let i = 0; i < 6 * (size === LARGE ? 1 : 2); i++) take(size);
}

/** There is no memory for an object of this size: its pages starve from here on. */
function starve({ pool }: Cast, size: number): void {
  assert.equal(pool.alloc(size), "ENOMEM");
}

const OPERATIONS: Scene[] = [
  scene("alloc: a segment that was used before", () => ({ acts: [alloc(LARGE)] })),
  scene("alloc: a segment that never was used", ({ take }) => {
    take(LARGE);
    return { acts: [alloc(SMALL)] };
  }),
  scene("alloc: a page that was used before", ({ lone, drop }) => {
    drop(lone);
    return { acts: [alloc(SMALL)] };
  }),
  scene("alloc: a page that never was used", ({ take }) => {
    take(LARGE);
    take(SMALL);
    return { acts: [alloc(SMALL)] };
  }),
  scene("alloc: first place of a page", ({ pair, drop }) => {
    drop(pair[0]);
    return { acts: [alloc(150)] };
  }),
  scene("alloc: last place of a page, others on its list", () => ({ acts: [alloc(30)] })),
  scene("alloc: the only page on its list", ({ lone, drop }) => {
    drop(lone);
    return { acts: [alloc(20)] };
  }),
  scene("alloc: the gap of a larger page, where no memory is left", ({ take }) => {
    for (let i = 0; i < 6; i++) take(SMALL + 1);
    return { acts: [alloc(SMALL)] };
  }),
  scene("alloc: no memory", (all) => {
    fillUp(all, LARGE);
    return { acts: [alloc(SMALL)] };
  }),
  scene("alloc: memory again for pages that starved", (all) => {
    fillUp(all, LARGE);
    starve(all, SMALL);
    return { acts: [free(all.lone), alloc(SMALL)] };
  }),
  scene("alloc: in pages of many chunks", () => ({ acts: [alloc(2), alloc(300)] }), { chunkOrder: 7 }),
  scene("free: first of two", ({ pair }) => ({ acts: [free(pair[0])] })),
  scene("free: last of two", ({ couple }) => ({ acts: [free(couple[1])] })),
  scene("free: the only object of a page", ({ lone }) => ({ acts: [free(lone)] })),
  scene("free: the only object of a segment", ({ take }) => {
    const only = take(LARGE);
    return { acts: [free(only)] };
  }),
  scene("reclaim: both objects freed, page released", ({ pair }) => ({ acts: [reclaim(...pair)] })),
  scene("reclaim: both pages of a segment", ({ pair, couple }) => ({
    acts: [reclaim(...pair), reclaim(...couple)],
  })),
  scene("reclaim: the second refused, page listed", ({ pair }) => ({ acts: [reclaim(pair[0])] })),
  scene("reclaim: refused, page back on the LRU", () => ({ acts: [reclaim()] })),
  scene("reclaim: of a page with one object", ({ pair, drop }) => {
    drop(pair[0]);
    return { acts: [reclaim(pair[1])] };
  }),
  scene("reclaim: for pages that starve, a segment of others", (all) => {
    fillUp(all, SMALL);
    starve(all, LARGE);
    return { acts: [reclaim(...all.pair), reclaim(...all.couple), alloc(LARGE)] };
  }),
  scene("reclaim: for pages that starve, one of theirs, not the tail", (all) => {
    for (const handle of [...all.pair, ...all.couple]) all.drop(handle);
    const others = [all.take(30), all.take(30)];
    for (let i = 0; i < 7; i++) all.take(LARGE);
    starve(all, SMALL);
    const [onBystander, onLone] = others;
    return { acts: [reclaim(all.lone, onLone, onBystander)] };
  }),
  scene("reclaim: for pages that starve, of a size that was given up", (all) => {
    all.pool.refit([512]);
    fillUp(all, LARGE);
    starve(all, LARGE);
    return { acts: [reclaim(...all.pair), reclaim(...all.couple), alloc(LARGE)] };
  }),
  scene("refit: a new size and an old one", () => ({ acts: [{ do: "refit", pageSizes: [320, 512] }] })),
  scene("refit: a size that comes back", ({ pool }) => {
    pool.refit([512]);
    return { acts: [{ do: "refit", pageSizes: [256, 512] }, alloc(SMALL)] };
  }),
  scene("verify", () => ({ acts: [{ do: "verify" }] })),
  ...visits(scene, SizeClassPool.attach).map((each) => ({ ...each, sampled: true })),
];

/** One thread died already; the one that repairs dies too, and the next one repairs. */
const REPAIRS: Scene[] = [
  scene("repair: of a free under reclaim", ({ pair, lone }) => ({
    before: { acts: [reclaim(pair[0])], lastIn: "intend" },
    acts: [free(lone)],
  })),
  scene("repair: of an alloc whose page is on no list", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { acts: [alloc(150)], lastIn: "placeIn" }, acts: [free(lone)] };
  }),
  scene("repair: of a segment that was just taken", ({ lone }) => ({
    before: { acts: [alloc(LARGE)], lastIn: "intend" },
    acts: [free(lone)],
  })),
  scene("repair: while a living thread reclaims", ({ couple, lone }) => ({
    holds: true,
    before: { acts: [free(couple[0])], lastIn: "list" },
    acts: [free(lone)],
  })),
  scene("repair: asked for, after a death in the handler", ({ pair }) => ({
    before: { acts: [{ do: "reclaim", frees: [pair[0]], stops: true }], lastIn: null },
    acts: [{ do: "recover" }],
  })),
  scene("repair: for an alloc, when a dead thread has the last free segment", (all) => {
    fillUp(all, LARGE);
    return {
      before: { acts: [{ do: "reclaim", frees: all.pair, stops: true }], lastIn: null },
      acts: [alloc(SMALL)],
    };
  }),
].map((each, i) => ({ ...each, sampled: i > 0 }));

export const SIZE_CLASSES_SCENES: readonly Scene[] = [...OPERATIONS, ...REPAIRS].map((each) => ({
  ...each,
  // The lock and the table of threads are those of every pool.
  sampled: true,
}));
