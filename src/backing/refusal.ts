import { ZbudError } from "../base/index.ts";

/** Whether this is how a write ends that another store, or this one at another time, would have taken. */
export function isRefusal(outcome: unknown): boolean {
  if (outcome instanceof ZbudError) return outcome.code === "ENOSPC";
  return outcome === "ENOSPC" || outcome === "EAGAIN";
}
