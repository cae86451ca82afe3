/** A process at a pool: the load that threads put on one, too. */

import { Prng } from "../../src/base/index.ts";
import { createPool } from "../../src/drivers/index.ts";
import type { Pool } from "../../src/pool/index.ts";
import { ExpectedObjects } from "../threads/expected-objects.ts";
import { EVICT_ACTS, Load, type LoadPoolOptions } from "../threads/load.ts";
import type { DriverName } from "../threads/pools.ts";
import { openBoard } from "./board.ts";
import { arm, Board, memberOf, type Plan, readPlan } from "./player.ts";

/** Objects that one process wants to hold. */
const LIVE_MAX = 40;
/** Owners of objects have 8 bits. */
const OWNERS = 250;
/** What a pool has at most, in the smallest of its pages. */
const PAGES_MAX = 256;

/** The pool of a plan. */
export function openPool({ path, options }: Plan, more: LoadPoolOptions = {}): Pool {
  const { driver, ...others } = options;
  return createPool(driver as string, { ...others, ...more, shared: path } as never);
}

/** What all processes wrote down of its objects. */
export function expectedOf({ board }: Plan): ExpectedObjects {
  const bytes = ExpectedObjects.bytesOf(PAGES_MAX);
  return new ExpectedObjects(openBoard(`${board}-objects`, bytes), bytes);
}

if (process.argv[1]?.endsWith("pool-player.mjs")) play();

function play(): void {
  const plan = readPlan();
  const board = new Board(plan);
  const member = memberOf(plan, board);
  const act = EVICT_ACTS[new Prng(plan.owner).below(EVICT_ACTS.length)];
  const kind = {
    driver: plan.options.driver as DriverName,
    owner: 1 + (plan.owner % OWNERS),
    seed: plan.seed + plan.owner,
    act,
    liveMax: LIVE_MAX,
  };
  arm(plan, board);
  const load = new Load(kind, expectedOf(plan), (options) => openPool(plan, options));
  for (let steps = 0; member.goesOn(steps); steps++) for (let i = 0; i < 20; i++) load.step();
  while (load.freeOne()) member.goesOn(0);
  load.pool.close();
}
