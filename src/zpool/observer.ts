import { show, ZbudError } from "../base/index.ts";
import type { PoolObserver } from "./types.ts";

/** @throws {ZbudError} `EINVAL` if it is neither null nor an object whose `on…` members are functions. */
export function checkObserver(observer: PoolObserver | null): void {
  if (observer === null) return;
  if (typeof observer !== "object") {
    throw new ZbudError(
      "EINVAL",
      `an observer is an object with functions on…, or null, not ${show(observer)}`,
    );
  }
  for (const name of EVENTS) {
    const listener = observer[name];
    if (listener !== undefined && typeof listener !== "function") {
      throw new ZbudError("EINVAL", `${name} of an observer must be a function, not ${show(listener)}`);
    }
  }
}

const EVENTS = [
  "onAlloc",
  "onFree",
  "onReclaimStart",
  "onEvictStart",
  "onEvictEnd",
  "onReclaimEnd",
  "onShrinkStart",
  "onShrinkEnd",
  "onCompact",
] as const satisfies (keyof PoolObserver)[];
