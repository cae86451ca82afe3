/** What the scenarios of all drivers are made of: a pool in a known state, and who does what in it. */

import assert from "node:assert/strict";
import type { Handle } from "../../src/base/index.ts";
import type { Pool, SharedPool } from "../../src/pool/index.ts";
import { CAN_GIVE_BACK } from "../support/can-give-back.ts";
import { put } from "../support/objects.ts";
import type { Step } from "./points-worker.ts";

/** The pool of a scenario, and who does what in it. */
export interface Setup {
  pool: Pool;
  /** The byte that fills each object. */
  fills: Map<Handle, number>;
  /** Freed by a thread that lives. */
  bystander: Handle;
  /** Steps of the thread that stops at each point in turn. */
  steps: Step[];
  /** A thread that dies before: where its last point is, by function; or in its handler. */
  before?: { steps: Step[]; lastIn: string | null };
  /** Whether a living thread has the page at the tail under reclaim meanwhile. */
  holds?: boolean;
  /** Other users of the pool, closed in the end. */
  others?: Pool[];
}

export interface Scenario {
  name: string;
  setup(): Setup;
  /** Only points that no scenario before has stopped at, and a sample; else the first and last time at each. */
  sampled?: boolean;
}

/** Objects put into a pool, each filled with a byte of its own. */
export interface FilledObjects {
  fills: Map<Handle, number>;
  take(size: number): Handle;
  drop(handle: Handle): void;
}

export function filledObjects(pool: Pool): FilledObjects {
  const fills = new Map<Handle, number>();
  return {
    fills,
    take: (size) => {
      const fill = 1 + (fills.size % 250);
      const handle = put(pool, size, fill);
      fills.set(handle, fill);
      return handle;
    },
    drop: (handle) => {
      pool.free(handle);
      fills.delete(handle);
    },
  };
}

export const alloc = (size: number): Step => ({ do: "alloc", size });
export const free = (handle: Handle): Step => ({ do: "free", handle });

/** Makes a scenario of what changes in a setup. */
export type ScenarioMaker<Fixture, Options> = (
  name: string,
  set: (fixture: Fixture) => Partial<Setup>,
  options?: Options,
) => Scenario;

/** @param fixture - makes a setup anew for each run of a scenario. */
export function scenariosWith<Fixture extends { setup: Setup }, Options>(
  fixture: (options?: Options) => Fixture,
): ScenarioMaker<Fixture, Options> {
  return (name, set, options) => ({
    name,
    setup: () => {
      const all = fixture(options);
      return { ...all.setup, ...set(all) };
    },
  });
}

/** Coming, going and looking, which are the same in every pool. */
export function visits<Fixture extends { setup: Setup }, Options>(
  scenario: ScenarioMaker<Fixture, Options>,
  attach: (shared: SharedPool) => Pool,
): Scenario[] {
  return [
    scenario("attach", () => ({ steps: [{ do: "attach" }] })),
    scenario("attach: no member left", ({ setup }) => ({
      steps: [{ do: "attach" }],
      // With the thread that made the pool and the one that goes on, 127.
      others: Array.from({ length: 125 }, () => attach(setup.pool.share() as SharedPool)),
    })),
    scenario("attach: to the place of a thread that died in its handler", ({ setup }) => ({
      before: { steps: [{ do: "reclaim", frees: [], stops: true }], lastIn: null },
      steps: [{ do: "attach" }],
      others: Array.from({ length: 124 }, () => attach(setup.pool.share() as SharedPool)),
    })),
    scenario("close", () => ({ steps: [{ do: "close" }] })),
  ];
}

/** What the pools of pages of one size have in common: objects on two full pages, and one that has a page. */
interface PageFixture {
  setup: Setup;
  drop(handle: Handle): void;
  pair: [Handle, Handle];
  couple: [Handle, Handle];
  lone: Handle;
}

/** One thread died already; the one that repairs dies too, and the next one repairs. `size`: it has a page. */
export function pageRepairs<Fixture extends PageFixture>(
  scenario: ScenarioMaker<Fixture, { maxPages?: number }>,
  size: number,
): Scenario[] {
  return [
    scenario("repair: of a free under reclaim", ({ pair, lone }) => ({
      before: { steps: [{ do: "reclaim", frees: [pair[0]] }], lastIn: "intend" },
      steps: [free(lone)],
    })),
    scenario("repair: while a living thread reclaims", ({ couple, lone }) => ({
      holds: true,
      before: { steps: [free(couple[0])], lastIn: "putOnList" },
      steps: [free(lone)],
    })),
    scenario("repair: asked for, after a death in the handler", ({ pair }) => ({
      before: { steps: [{ do: "reclaim", frees: [pair[0]], stops: true }], lastIn: null },
      steps: [{ do: "recover" }],
    })),
    scenario(
      "repair: for an alloc, when a dead thread has the last free page",
      ({ pair }) => ({
        before: { steps: [alloc(size), { do: "reclaim", frees: pair, stops: true }], lastIn: null },
        steps: [alloc(size)],
      }),
      { maxPages: 5 },
    ),
  ];
}

/** Giving memory back, and taking it again. `size`: of an object that has a page, of 4 KiB or more. */
export function givesBack(make: () => Pool, size: number): Scenario[] {
  if (!CAN_GIVE_BACK) return [];
  const scenario = scenariosWith(() => {
    const pool = make();
    const { fills, take, drop } = filledObjects(pool);
    const [lone, bystander, ...used] = Array.from({ length: 8 }, () => take(size));
    for (const handle of used.slice(0, 4)) drop(handle);
    const setup: Setup = { pool, fills, bystander, steps: [] };
    return { setup, lone };
  });
  const trimmed = ({ pool }: Setup): void => {
    assert.ok(pool.trim() >= 4 * 4096);
  };
  const sampled = [
    scenario("repair: of a trim", ({ lone }) => ({
      before: { steps: [{ do: "trim" }], lastIn: "mark" },
      steps: [free(lone)],
    })),
    scenario("repair: of an alloc that takes memory back", ({ setup, lone }) => {
      trimmed(setup);
      return { before: { steps: [alloc(size)], lastIn: "take" }, steps: [free(lone)] };
    }),
  ];
  return [
    scenario("trim: pages that lie anywhere", () => ({ steps: [{ do: "trim" }] })),
    scenario("trim: as much as is asked for", () => ({ steps: [{ do: "trim", bytes: 4096 }] })),
    scenario("trim: pages some of which were given back", ({ setup }) => {
      assert.equal(setup.pool.trim(4096), 4096);
      return { steps: [{ do: "trim" }] };
    }),
    scenario("alloc: pages that were given back", ({ setup }) => {
      trimmed(setup);
      return { steps: [alloc(size), alloc(size)] };
    }),
    ...sampled.map((each) => ({ ...each, sampled: true })),
  ];
}
