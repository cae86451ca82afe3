import { Prng } from "../../src/base/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";

registerBuiltIns();

/*
 * Random histories of a cache, as data: what is done, one step after the other. A step names loads, waits and files
 * under way by a number that is taken modulo how many there are, so a history stays one when steps are left out.
 */

/** A step. What it does not use is 0. */
export interface Step {
  readonly do: Action;
  /** The handle that does it: threads in the same thread, and a real one if there is. */
  readonly at: number;
  readonly key: number;
  /** The class of the value's size. */
  readonly size: number;
  readonly ttl: number;
  readonly stale: number;
  /** A bit each. */
  readonly tags: number;
  /** What kind of the action. */
  readonly how: number;
}

export type Action =
  | "set"
  | "get"
  | "peek"
  | "has"
  | "getInto"
  | "withValue"
  | "remainingTtl"
  | "info"
  | "touch"
  | "pop"
  | "delete"
  | "setUndefined"
  | "deleteByTag"
  | "clear"
  | "purgeStale"
  | "walk"
  | "wait"
  | "getOrSet"
  | "getAsync"
  | "endLoad"
  | "abortWait"
  | "reopen"
  | "save"
  | "load"
  | "io"
  | "tier";

/** What the cache of a history is made with. */
export interface World {
  readonly name: string;
  readonly options: {
    readonly maxEntries?: number;
    readonly evict?: "lru" | "sieve";
    readonly codec?: string;
    readonly shared?: boolean;
    readonly shards?: number;
    readonly driver?: string;
  };
  /** Handles of the cache in this thread. */
  readonly handles: number;
  /** Whether there is one more in another thread. */
  readonly thread?: boolean;
  readonly tier?: boolean;
  readonly files?: boolean;
  /** Values that fill the cache by their bytes. */
  readonly large?: boolean;
  readonly steps: number;
}

export const WORLDS: readonly World[] = [
  { name: "one handle", options: { maxEntries: 12, shared: false }, handles: 1, steps: 300 },
  { name: "three handles", options: { maxEntries: 12 }, handles: 3, steps: 400 },
  { name: "SIEVE", options: { maxEntries: 12, evict: "sieve" }, handles: 2, steps: 400 },
  { name: "two shards", options: { maxEntries: 24, shards: 2 }, handles: 2, steps: 300 },
  { name: "files", options: { maxEntries: 12 }, handles: 2, files: true, steps: 300 },
  { name: "large values", options: { codec: "none" }, handles: 2, large: true, steps: 300 },
  { name: "large values, zsmalloc", options: { driver: "zsmalloc" }, handles: 1, large: true, steps: 200 },
  { name: "a second tier", options: { maxEntries: 3 }, handles: 2, tier: true, steps: 300 },
  {
    name: "a second tier, files",
    options: { maxEntries: 3 },
    handles: 1,
    tier: true,
    files: true,
    steps: 300,
  },
  { name: "a thread", options: { maxEntries: 12 }, handles: 2, thread: true, steps: 500 },
];

export const KEYS = 20;
export const TAGS: readonly string[] = ["red", "green", "blue"];
/** Classes of sizes: those from here on are refused. */
export const SIZE_REFUSED = 4;
const TIMES = [0, 0, 0, 1, 5, 20, 100];

export interface History {
  readonly seed: number;
  readonly world: World;
  readonly steps: readonly Step[];
}

/** The same history for the same seed, on every machine. */
export function historyOf(seed: number, worlds: readonly World[] = WORLDS): History {
  const prng = new Prng(Math.imul(seed + 1, 0x9e37_79b1));
  for (let i = 0; i < 4; i++) prng.uint32();
  const world = worlds[seed % worlds.length];
  const choices = choicesOf(world);
  const total = choices.reduce((sum, [, weight]) => sum + weight, 0);
  const steps: Step[] = [];
  // Few keys at a time, so that what is done meets.
  const keys = world.files !== true && prng.chance(0.5) ? KEYS : 5;
  while (steps.length < world.steps) {
    let left = prng.below(total);
    const action = choices.find(([, weight]) => {
      left -= weight;
      return left < 0;
    }) as (typeof choices)[number];
    steps.push({
      do: action[0],
      at: prng.below(world.handles + (world.thread === true ? 1 : 0)),
      key: prng.below(keys),
      size: sizeOf(prng, world),
      ttl: TIMES[prng.below(TIMES.length)],
      stale: prng.chance(0.4) ? TIMES[prng.below(TIMES.length)] : 0,
      tags: prng.chance(0.3) ? prng.below(1 << TAGS.length) : 0,
      how: prng.below(2 ** 20),
    });
  }
  return { seed, world, steps };
}

function sizeOf(prng: Prng, { large }: World): number {
  const chance = prng.below(1000);
  if (chance < 15) return SIZE_REFUSED + (chance < 3 ? 1 : 0);
  if (large === true) return chance < 700 ? 3 : 2;
  return chance < 600 ? 0 : chance < 900 ? 1 : 2;
}

function choicesOf({ tier, files, handles }: World): [Action, number][] {
  const choices: [Action, number][] = [
    ["set", 26],
    ["get", 16],
    ["peek", 4],
    ["has", 3],
    ["getInto", 2],
    ["withValue", 2],
    ["remainingTtl", 2],
    ["info", 2],
    ["touch", 4],
    ["pop", 2],
    ["delete", 6],
    ["setUndefined", 1],
    ["deleteByTag", 2],
    ["clear", 1],
    ["purgeStale", 1],
    ["walk", 2],
    ["wait", 10],
    ["getOrSet", 16],
    ["getAsync", tier ? 10 : 1],
    ["endLoad", 14],
    ["abortWait", 3],
  ];
  if (handles > 1) choices.push(["reopen", 1]);
  if (files) choices.push(["save", tier ? 5 : 2], ["load", tier ? 7 : 3], ["io", 20]);
  if (tier) choices.push(["tier", 3]);
  return choices;
}

/** A step as a line to read. */
export function describeStep(step: Step): string {
  const { do: action, at, key, size, ttl, stale, tags, how } = step;
  const names = TAGS.filter((_, i) => (tags & (1 << i)) !== 0).join("+");
  const times = `${ttl > 0 ? ` ttl=${ttl}` : ""}${stale > 0 ? ` stale=${stale}` : ""}`;
  return `handle ${at}: ${action} key=${key} size=${size}${times}${names === "" ? "" : ` tags=${names}`} how=${how}`;
}
