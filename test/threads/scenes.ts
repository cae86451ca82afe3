/** What threads are at when they die: small pools in known states, and the operation that is cut off. */

import type { Handle } from "../../src/base/index.ts";
import { ZbudPool } from "../../src/drivers/zbud/index.ts";
import { alloc, free, propsOf, type Scene, type Stage, scenesWith, visits } from "./stage.ts";

/** Objects by name. With pages of 8 chunks of 32 bytes, 192 bytes leave one chunk, and 30 fill it. */
interface Cast {
  stage: Stage;
  take(size: number): Handle;
  drop(handle: Handle): void;
  /** Page 0, the LRU's tail: two objects. */
  pair: [Handle, Handle];
  /** Page 1: two objects. */
  couple: [Handle, Handle];
  /** Page 2: one object and one free chunk. */
  lone: Handle;
}

function cast(options: { maxPages?: number; pageSize?: number; chunkOrder?: number } = {}): Cast {
  const pool = new ZbudPool({ maxPages: 8, pageSize: 256, chunkOrder: 3, ...options, shared: true });
  const { fills, take, drop } = propsOf(pool);
  const large = pool.maxObjectBytes;
  const small = pool.pageSize / 2 ** (options.chunkOrder ?? 3) - 2;
  const two = (): [Handle, Handle] => [take(large), take(small)];
  const pair = two();
  const couple = two();
  const lone = take(large);
  const bystander = take(large);
  // A page that was used before, and is free.
  const used = take(large);
  drop(used);
  const stage: Stage = { pool, fills, bystander, acts: [] };
  return { stage, take, drop, pair, couple, lone };
}

const scene = scenesWith(cast);

/** Operations of a thread that is alone in its misfortune. */
const OPERATIONS: Scene[] = [
  scene("alloc: a page that was used before", () => ({ acts: [alloc(192)] })),
  scene("alloc: a page that never was used", ({ take }) => {
    take(192);
    return { acts: [alloc(192)] };
  }),
  scene("alloc: first place of a page", ({ pair, drop }) => {
    drop(pair[0]);
    return { acts: [alloc(150)] };
  }),
  scene("alloc: last place of a page, others on its list", () => ({ acts: [alloc(30)] })),
  scene("alloc: last place of the only page on its list", ({ lone, drop }) => {
    drop(lone);
    return { acts: [alloc(20)] };
  }),
  scene("alloc: no page to be had", () => ({ acts: [alloc(192), alloc(192)] }), { maxPages: 5 }),
  scene("alloc: in a page of many chunks", () => ({ acts: [alloc(2), alloc(300)] }), {
    pageSize: 512,
    chunkOrder: 7,
  }),
  scene("free: first of two", ({ pair }) => ({ acts: [free(pair[0])] })),
  scene("free: last of two", ({ couple }) => ({ acts: [free(couple[1])] })),
  scene("free: the only object, others on the page's list", ({ lone }) => ({ acts: [free(lone)] })),
  scene("free: the only object of the only page on its list", ({ pair, couple, drop }) => {
    drop(pair[0]);
    return { acts: [free(pair[1])], bystander: couple[0] };
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
  scene("verify", () => ({ acts: [{ do: "verify" }] })),
  ...visits(scene, ZbudPool.attach).map((each) => ({ ...each, sampled: true })),
];

/** One thread died already; the one that repairs dies too, and the next one repairs. */
const REPAIRS: Scene[] = [
  scene("repair: of a free under reclaim", ({ pair, lone }) => ({
    before: { acts: [{ do: "reclaim", frees: [pair[0]] }], lastIn: "intend" },
    acts: [free(lone)],
  })),
  scene("repair: of an alloc in the middle of the LRU", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { acts: [alloc(150)], lastIn: "intend" }, acts: [free(lone)] };
  }),
  scene("repair: of an alloc whose page is on no list", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { acts: [alloc(150)], lastIn: "alloc" }, acts: [free(lone)] };
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
      before: { acts: [alloc(192), { do: "reclaim", frees: pair, stops: true }], lastIn: null },
      acts: [alloc(192)],
    }),
    { maxPages: 5 },
  ),
].map((each, i) => ({ ...each, sampled: i > 0 }));

export const SCENES: readonly Scene[] = [...OPERATIONS, ...REPAIRS];
