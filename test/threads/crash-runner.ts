/** Plays scenarios: a thread stops at a point and dies, another goes on, and then all is compared. */

import assert from "node:assert/strict";
import type { Worker } from "node:worker_threads";
import type { Handle } from "../../src/base/index.ts";
import { snapshot, verify } from "../../src/diagnostics/index.ts";
import { until } from "../support/until.ts";
import { finishPool, recoverAll } from "./expected-objects.ts";
import type { Instrumented } from "./instrument.ts";
import { CHANGES, GO_ON, type Job, STOPPED, type Step } from "./points-worker.ts";
import { DRIVERS } from "./pools.ts";
import type { Scenario, Setup } from "./scenario.ts";
import { messageOf, startWorker } from "./worker-group.ts";

/** Threads that are started ahead: starting one takes longer than a scenario. */
const SPARES = 3;
/** The most changes of one thread. */
const CHANGES_MAX = 64;
/** For a thread that is to block on the lock before its holder dies. */
const BLOCK_MS = 2;

/** One thread of a scenario, and what it had done when it died. */
interface Dead {
  steps: readonly Step[];
  changes: number;
  handles: Float64Array;
}

/** One change that steps make, in their order. */
type Change = { free: Handle } | { alloc: number };

export class CrashRunner {
  readonly #copy: Instrumented;
  readonly #spares: Promise<Worker>[] = [];
  readonly #helper: Worker;
  readonly #holder: Worker;

  private constructor(copy: Instrumented, helper: Worker, holder: Worker) {
    this.#copy = copy;
    this.#helper = helper;
    this.#holder = holder;
  }

  static async open(copy: Instrumented): Promise<CrashRunner> {
    return new CrashRunner(copy, await started(copy), await started(copy));
  }

  async close(): Promise<void> {
    const spares = await Promise.all(this.#spares);
    await Promise.all([this.#helper, this.#holder, ...spares].map((worker) => worker.terminate()));
  }

  /** Lets the steps go through. Gives the numbers of the points that are met on the way. */
  dryRun(scenario: Scenario): Promise<number[]> {
    return this.#run(scenario, 0, -1);
  }

  /** Stops the thread at the given time of its way, where `point` is. */
  async crashAt(scenario: Scenario, time: number, point: number): Promise<void> {
    await this.#run(scenario, time, point);
  }

  async #run(scenario: Scenario, stopAt: number, point: number): Promise<number[]> {
    const setup = scenario.setup();
    const { pool, before, steps, holds, bystander } = setup;
    const dead: Dead[] = [];
    const hold = holds ? jobOf(setup, [{ do: "reclaim", frees: [] }], 0) : null;
    if (hold !== null) {
      this.#holder.postMessage({ ...hold, waits: "handler" } satisfies Job);
      await stopOf(hold);
    }
    const goesOn = jobOf(setup, [{ do: "free", handle: bystander }], 0);
    if (before !== undefined) dead.push(await this.#dieBefore(scenario, setup));

    this.#helper.postMessage({ ...goesOn, waits: "attached" } satisfies Job);
    await stopOf(goesOn);
    const job = jobOf(setup, steps, stopAt);
    const victim = await this.#worker();
    victim.postMessage(job);
    let trail: number[] = [];
    if (stopAt === 0) {
      trail = trailOf(await messageOf(victim));
      goOn(goesOn);
    } else {
      assert.equal(await stopOf(job), point + 1, "the way to the point is always the same");
      goOn(goesOn);
      await new Promise((resolve) => setTimeout(resolve, BLOCK_MS));
    }
    await this.#end(setup, victim);
    trailOf(await messageOf(this.#helper));
    dead.push({ steps, changes: job.control[CHANGES], handles: job.handles });
    verify(pool);
    if (hold !== null) {
      goOn(hold);
      trailOf(await messageOf(this.#holder));
    }
    recoverAll(pool);
    compare(setup, dead);
    for (const other of setup.others ?? []) other.close();
    const known = dead.flatMap(({ changes, handles }) => [...handles.subarray(0, changes)]) as Handle[];
    finishPool(pool, [...setup.fills.keys(), ...known]);
    pool.close();
    return trail;
  }

  /** Runs the thread that dies first: to the last point of a function, or into its handler. */
  async #dieBefore(scenario: Scenario, setup: Setup): Promise<Dead> {
    const { steps, lastIn } = setup.before as NonNullable<Setup["before"]>;
    let stopAt = 0;
    if (lastIn !== null) {
      // On a setup of its own, to count the points up to there.
      const own = scenario.setup();
      const { steps: same } = own.before as NonNullable<Setup["before"]>;
      const dryRun = jobOf(own, same, 0);
      this.#helper.postMessage(dryRun);
      const trail = trailOf(await messageOf(this.#helper));
      stopAt =
        1 +
        trail.findLastIndex((each) => {
          const { where } = this.#copy.points[each];
          // The lock around the algorithm has methods of the same names.
          return !where.includes("/locked-allocator.ts:") && where.endsWith(` ${lastIn}`);
        });
      assert.ok(stopAt > 0, `${lastIn} is on the way`);
    }
    const job = jobOf(setup, steps, stopAt);
    const worker = await this.#worker();
    worker.postMessage(job);
    await stopOf(job);
    await this.#end(setup, worker);
    return { steps, changes: job.control[CHANGES], handles: job.handles };
  }

  async #end({ pool }: Setup, worker: Worker): Promise<void> {
    const { threadId } = worker;
    await worker.terminate();
    // Only Linux lets threads find out. Then it must do without being told.
    if (process.platform !== "linux") pool.threadGone(threadId);
  }

  async #worker(): Promise<Worker> {
    while (this.#spares.length <= SPARES) this.#spares.push(started(this.#copy));
    return await (this.#spares.shift() as Promise<Worker>);
  }
}

async function started({ driver, module, worker: program }: Instrumented): Promise<Worker> {
  const worker = startWorker(program, { module, name: DRIVERS[driver].name });
  await messageOf(worker);
  return worker;
}

function jobOf({ pool }: Setup, steps: Step[], stopAt: number): Job {
  return {
    shared: pool.share(),
    steps,
    stopAt,
    control: new Int32Array(new SharedArrayBuffer(16)),
    handles: new Float64Array(new SharedArrayBuffer(8 * CHANGES_MAX)),
  };
}

/** Waits until a thread has stopped; gives where. */
async function stopOf({ control }: Job): Promise<number> {
  await until("a thread stops", () => Atomics.load(control, STOPPED) !== 0);
  return Atomics.load(control, STOPPED);
}

function goOn({ control }: Job): void {
  Atomics.store(control, GO_ON, 1);
  Atomics.notify(control, GO_ON);
}

function trailOf(message: unknown): number[] {
  const { trail, error } = message as { trail?: number[]; error?: string };
  if (trail === undefined) assert.fail(`a thread that lives failed: ${error}`);
  return trail;
}

function changesOf(steps: readonly Step[]): Change[] {
  return steps.flatMap((step): Change[] => {
    if (step.do === "alloc") return [{ alloc: step.size }];
    if (step.do === "free") return [{ free: step.handle }];
    return step.do === "reclaim" ? step.frees.map((handle) => ({ free: handle })) : [];
  });
}

/** What was done is done, what was not begun is not, what was in flight is either; all else is as it was. */
function compare({ pool, fills, bystander }: Setup, dead: readonly Dead[]): void {
  const { pages } = snapshot(pool);
  assert.ok(!pages.some(({ underReclaim }) => underReclaim), "a page stayed under reclaim");
  const found = new Map(
    pages.flatMap(({ objects }) => objects.map(({ handle, size }) => [handle, size] as const)),
  );
  const required = new Set(fills.keys());
  const freed = new Set([bystander]);
  const inFlight = new Set<Handle>();
  const sizesInFlight: number[] = [];
  for (const { steps, changes, handles } of dead) {
    for (const [i, change] of changesOf(steps).entries()) {
      if ("free" in change) {
        if (i < changes) freed.add(change.free);
        if (i === changes) inFlight.add(change.free);
      } else {
        if (i < changes) required.add(handles[i] as Handle);
        if (i === changes) sizesInFlight.push(change.alloc);
      }
    }
  }
  for (const handle of freed) assert.ok(!found.has(handle), `object ${handle} was freed and is there`);
  for (const handle of required) {
    if (freed.has(handle) || (inFlight.has(handle) && !found.has(handle))) continue;
    assert.ok(found.has(handle), `object ${handle} is lost`);
    const fill = fills.get(handle);
    if (fill !== undefined)
      assert.ok(
        pool.map(handle).every((byte) => byte === fill),
        `object ${handle} is overwritten`,
      );
  }
  const extra = [...found].filter(([handle]) => !required.has(handle)).map(([, size]) => size);
  assert.ok(extra.length <= sizesInFlight.length, `${extra.length} objects that nobody allocated`);
  for (const size of extra) assert.ok(sizesInFlight.includes(size), `an object of ${size} bytes`);
}
