import type { Walks } from "../pool/index.ts";
import { logWalks } from "./log/walks.ts";
import { sizeClassesWalks } from "./size-classes/walks.ts";
import { slotsWalks } from "./slots/walks.ts";
import { zbudWalks } from "./zbud/walks.ts";
import { zsmallocWalks } from "./zsmalloc/walks.ts";

/** How diagnostics walk over pools of the built-in drivers, by the drivers' names. */
export const BUILT_IN_WALKS: ReadonlyMap<string, Walks> = /* @__PURE__ */ new Map([
  ["zbud", zbudWalks],
  ["slots", slotsWalks],
  ["zsmalloc", zsmallocWalks],
  ["size-classes", sizeClassesWalks],
  ["log", logWalks],
]);
