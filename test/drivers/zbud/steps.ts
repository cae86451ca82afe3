/** What a random run consists of: a pool's shape, a mix of operations, and the operations. */

import { Prng } from "../../../src/base/index.ts";
import { CAN_SHARE } from "../../contracts/sharing.ts";

/** Kinds of operation. A run turns some of them off, so that rare states are reached. */
export const STEP_KINDS = [
  "alloc",
  "allocBad",
  "free",
  "misuse",
  "rewrite",
  "reclaim",
  "trim",
  "remap",
] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** What a handler does beside evicting, before or after it freed its own object. */
export const SIDE_ACTS = ["nothing", "freeOther", "freeBuddy", "alloc", "reclaim", "misuse"] as const;
export type SideAct = (typeof SIDE_ACTS)[number];

/** How a handler ends. */
export const ENDINGS = ["succeed", "reject", "lie", "throw", "freeThenRefuse", "freeThenThrow"] as const;
export type Ending = (typeof ENDINGS)[number];

/** How object sizes are drawn. */
export const SIZE_PROFILES = ["edges", "uniform", "small", "large", "fit", "pairs"] as const;
export type SizeProfile = (typeof SIZE_PROFILES)[number];

/** One operation. `x` and `y` are 32 random bits each, to be read modulo what there is to choose from. */
export interface Step {
  kind: StepKind;
  x: number;
  y: number;
}

/** The shape of a pool and the mix of one run. */
export interface RunPlan {
  pageSize: number;
  chunkOrder: number;
  maxPages: number;
  shared: boolean;
  evicts: boolean;
  sizes: SizeProfile;
  weights: Record<StepKind, number>;
  sideActs: readonly SideAct[];
  endings: readonly Ending[];
}

/** Page size and chunk order: the default, odd ones, the smallest, the largest. */
export const GEOMETRIES: readonly (readonly [pageSize: number, chunkOrder: number])[] = [
  [4096, 6],
  [4096, 6],
  [64, 6],
  [64, 2],
  [128, 5],
  [256, 3],
  [1792, 6],
  [2304, 4],
  [3328, 6],
  [5888, 6],
  [3072, 10],
  [1024, 10],
  [2560, 9],
  [1536, 8],
  [896, 7],
];

/** A generator for `seed`: neighbouring seeds give unrelated runs. */
export function prngOf(seed: number): Prng {
  const prng = new Prng(Math.imul(seed + 1, 0x9e3779b1) ^ 0x85ebca6b);
  for (let i = 0; i < 8; i++) prng.uint32();
  return prng;
}

function pick<T>(prng: Prng, from: readonly T[]): T {
  return from[prng.below(from.length)];
}

function someOf<T>(prng: Prng, from: readonly T[], always: T): T[] {
  const kept = from.filter((each) => each === always || prng.chance(0.5));
  return kept;
}

/** The shape and mix that `seed` stands for. */
export function planOf(prng: Prng): RunPlan {
  const [pageSize, chunkOrder] = pick(prng, GEOMETRIES);
  const weights = {} as Record<StepKind, number>;
  for (const kind of STEP_KINDS) weights[kind] = prng.chance(0.25) ? 0 : prng.between(1, 8);
  weights.alloc = prng.between(8, 24);
  weights.free = prng.chance(0.15) ? 0 : prng.between(4, 20);
  weights.trim = Math.min(weights.trim, 1);
  weights.remap = Math.min(weights.remap, 2);
  weights.misuse = Math.min(weights.misuse, 4);
  return {
    pageSize,
    chunkOrder,
    maxPages: pick(prng, [1, 2, 4, 5, 6, 8, 12, 24]),
    shared: prng.chance(0.2) && CAN_SHARE,
    evicts: prng.chance(0.9),
    sizes: pick(prng, SIZE_PROFILES),
    weights,
    sideActs: someOf(prng, SIDE_ACTS, "nothing"),
    endings: prng.chance(0.2) ? ["succeed"] : someOf(prng, ENDINGS, pick(prng, ENDINGS)),
  };
}

/** The next operation of a run. */
export function stepOf(prng: Prng, weights: Record<StepKind, number>): Step {
  let total = 0;
  for (const kind of STEP_KINDS) total += weights[kind];
  let at = prng.below(total);
  let chosen: StepKind = "alloc";
  for (const kind of STEP_KINDS) {
    at -= weights[kind];
    if (at < 0) {
      chosen = kind;
      break;
    }
  }
  return { kind: chosen, x: prng.uint32(), y: prng.uint32() };
}

/** Sizes that no pool takes: alloc throws EINVAL. */
export const BAD_SIZES: readonly unknown[] = [
  0,
  -0,
  -1,
  -64,
  0.5,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  "64",
  null,
  undefined,
  64n,
  {},
  [64],
  true,
];
