/** What threads are at when they die: small pools in known states, and the operation that is cut off. */

import type { Handle } from "../../src/base/index.ts";
import { ZbudPool, zbudDriver } from "../../src/drivers/zbud/index.ts";
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

/** Objects by name. With pages of 8 chunks of 32 bytes, 192 bytes leave one chunk, and 30 fill it. */
interface Fixture {
  setup: Setup;
  take(size: number): Handle;
  drop(handle: Handle): void;
  /** Page 0, the LRU's tail: two objects. */
  pair: [Handle, Handle];
  /** Page 1: two objects. */
  couple: [Handle, Handle];
  /** Page 2: one object and one free chunk. */
  lone: Handle;
}

function fixture(options: { maxPages?: number; pageSize?: number; chunkOrder?: number } = {}): Fixture {
  const pool = new ZbudPool({ maxPages: 8, pageSize: 256, chunkOrder: 3, ...options, shared: true });
  const { fills, take, drop } = filledObjects(pool);
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
  const setup: Setup = { pool, fills, bystander, steps: [] };
  return { setup, take, drop, pair, couple, lone };
}

const scenario = scenariosWith(fixture);

/** Operations of a thread that is alone in its misfortune. */
const OPERATIONS: Scenario[] = [
  scenario("alloc: a page that was used before", () => ({ steps: [alloc(192)] })),
  scenario("alloc: a page that never was used", ({ take }) => {
    take(192);
    return { steps: [alloc(192)] };
  }),
  scenario("alloc: first place of a page", ({ pair, drop }) => {
    drop(pair[0]);
    return { steps: [alloc(150)] };
  }),
  scenario("alloc: last place of a page, others on its list", () => ({ steps: [alloc(30)] })),
  scenario("alloc: last place of the only page on its list", ({ lone, drop }) => {
    drop(lone);
    return { steps: [alloc(20)] };
  }),
  scenario("alloc: no page to be had", () => ({ steps: [alloc(192), alloc(192)] }), { maxPages: 5 }),
  scenario("alloc: in a page of many chunks", () => ({ steps: [alloc(2), alloc(300)] }), {
    pageSize: 512,
    chunkOrder: 7,
  }),
  scenario("free: first of two", ({ pair }) => ({ steps: [free(pair[0])] })),
  scenario("free: last of two", ({ couple }) => ({ steps: [free(couple[1])] })),
  scenario("free: the only object, others on the page's list", ({ lone }) => ({ steps: [free(lone)] })),
  scenario("free: the only object of the only page on its list", ({ pair, couple, drop }) => {
    drop(pair[0]);
    return { steps: [free(pair[1])], bystander: couple[0] };
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
  scenario("verify", () => ({ steps: [{ do: "verify" }] })),
  ...visits(scenario, zbudDriver.attach).map((each) => ({ ...each, sampled: true })),
  ...givesBack(() => new ZbudPool({ maxPages: 8, chunkOrder: 3, shared: true }), 3000),
];

const REPAIRS: Scenario[] = [
  ...pageRepairs(scenario, 192),
  scenario("repair: of an alloc in the middle of the LRU", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { steps: [alloc(150)], lastIn: "intend" }, steps: [free(lone)] };
  }),
  scenario("repair: of an alloc whose page is on no list", ({ couple, drop, lone }) => {
    drop(couple[0]);
    return { before: { steps: [alloc(150)], lastIn: "alloc" }, steps: [free(lone)] };
  }),
].map((each, i) => ({ ...each, sampled: i > 0 }));

export const ZBUD_SCENARIOS: readonly Scenario[] = [...OPERATIONS, ...REPAIRS];
