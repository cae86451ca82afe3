import { SlotsPool } from "../../../src/drivers/slots/index.ts";
import type { Sides } from "../zbud/lockstep.ts";
import { SlotsModel } from "./slots-model.ts";

/** The pool and its model, for runs in lockstep. */
export const SLOTS: Sides = {
  pool: ({ pageSize, maxPages, shared }, onEvict, memory) =>
    new SlotsPool({ pageSize, maxPages, shared, onEvict }, memory === undefined ? {} : { memory }),
  model: (plan) => new SlotsModel(plan),
};
