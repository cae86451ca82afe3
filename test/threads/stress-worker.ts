import { parentPort, workerData } from "node:worker_threads";
import { type LoadPlan, loadOf } from "./load.ts";
import { Member } from "./worker-group.ts";

const { plan, control, operations } = workerData as {
  plan: LoadPlan;
  control: Int32Array;
  operations: number;
};
const member = new Member(control, plan.owner);
const load = loadOf(plan);
while (load.counts.operations < operations) {
  if (!member.goesOn(load.counts.operations)) break;
  for (let i = 0; i < 50; i++) load.step();
}
while (load.freeOne()) member.goesOn(load.counts.operations);
load.pool.close();
member.ends();
parentPort?.postMessage(load.counts);
