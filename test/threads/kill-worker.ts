import { parentPort, workerData } from "node:worker_threads";
import { type LoadPlan, loadOf } from "./load.ts";
import { Member } from "./worker-group.ts";

/** How a worker of the kill test ends: killed from outside, or by itself in one of these ways. */
export const ENDS = ["killed", "outOfMemory", "uncaught", "exit"] as const;
export type End = (typeof ENDS)[number];

/** Operations before a worker that ends by itself begins to do so. */
const OPERATIONS_BEFORE = 2000;

class Deliberate extends Error {}

const { plan, control, end } = workerData as { plan: LoadPlan; control: Int32Array; end: End };
const member = new Member(control, plan.owner);
const hoard: unknown[] = [];
const load = loadOf(plan, () => endNow());
parentPort?.postMessage("at work");
for (;;) {
  // Each step: a worker that rests does so between any two operations.
  member.goesOn(load.counts.operations);
  load.step();
}

/** Called in the middle of operations: from the evict handler. */
function endNow(): void {
  if (load.counts.operations < OPERATIONS_BEFORE) return;
  if (end === "uncaught") throw new Deliberate("a handler's own error, which nobody catches");
  if (end === "exit") process.exit(7);
  // The heap's limit is met by whatever asks for memory next, also by the pool's own code.
  if (end === "outOfMemory") for (let i = 0; i < 5000; i++) hoard.push({ i, more: [i, i, i, i] });
}
