/** Histories of calls that overlapped: each can be explained by the sequential model. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { snapshot, verify } from "../../src/diagnostics/index.ts";
import { ZbudPool } from "../../src/drivers/zbud/index.ts";
import { type HistoryPlan, Log, OBJECTS } from "./call-log.ts";
import { instrument } from "./instrument.ts";
import { type Call, type HistoryShape, linearize } from "./pool-linearizer.ts";
import { meet, messageOf, runToEnd, startWorker, WorkerGroup } from "./worker-group.ts";

const SEED = Number(process.env.ZBUD_HISTORIES_SEED ?? 1);
const HISTORIES = Number(process.env.ZBUD_HISTORIES ?? 1500);
const SHAPE: HistoryShape = { pageSize: 128, chunkOrder: 3, maxPages: 3 };

/** Calls of different threads of which neither returned before the other was made. */
function overlaps(calls: readonly Call[]): number {
  let pairs = 0;
  for (const a of calls) {
    for (const b of calls) if (a.thread < b.thread && a.called < b.returned && b.called < a.returned) pairs++;
  }
  return pairs;
}

/** Has threads play histories on one pool, which is empty before each. */
async function play(
  module: string,
  threads: number,
  calls: number,
  look: (history: Call[], round: number) => void,
): Promise<void> {
  const pool = new ZbudPool({ ...SHAPE, shared: true });
  const group = new WorkerGroup();
  const plan: HistoryPlan = {
    module,
    shared: pool.share(),
    control: group.words,
    threads,
    rounds: HISTORIES,
    calls,
    seed: SEED,
    log: new SharedArrayBuffer(Log.bytesOf(threads, calls)),
    handles: new SharedArrayBuffer(8 * OBJECTS),
    published: new SharedArrayBuffer(4 * OBJECTS),
  };
  assert.ok(threads * calls <= OBJECTS);
  const workers = Array.from({ length: threads }, (_, index) =>
    startWorker("./history-worker.ts", { ...plan, index }),
  );
  // Before this thread sleeps: loading a module may need it.
  await Promise.all(workers.map(messageOf));
  const ended = runToEnd(workers);
  ended.catch(() => undefined);
  const log = new Log(plan.log, threads, calls);
  const published = new Int32Array(plan.published);
  for (let round = 0; round < HISTORIES; round++) {
    meet(group.words, threads + 1);
    meet(group.words, threads + 1);
    const history = log.read();
    verify(pool);
    for (const { first, last } of snapshot(pool).pages) {
      for (const object of [first, last]) if (object !== null) pool.free(object.handle);
    }
    published.fill(0);
    look(history, round);
  }
  await ended;
  pool.close();
}

/** A history of one thread after the other, and one that is wrong somewhere. */
const SOUND: Call[] = [
  { thread: 0, called: 0, returned: 3, op: { alloc: 96, object: 0 }, result: { page: 0, offset: 16 } },
  { thread: 1, called: 1, returned: 2, op: { alloc: 16, object: 1 }, result: { page: 0, offset: 112 } },
  { thread: 0, called: 4, returned: 7, op: { free: 0 }, result: "freed" },
  { thread: 1, called: 5, returned: 6, op: { free: 0 }, result: "EBADF" },
  { thread: 0, called: 8, returned: 9, op: { alloc: 80, object: 2 }, result: { page: 0, offset: 16 } },
];

function doctored(at: number, change: Partial<Call>): Call[] {
  return SOUND.map((call, i) => (i === at ? { ...call, ...change } : call));
}

describe("histories", () => {
  const folder = temporaryFolder("histories");
  let module = "";
  before(async () => {
    ({ module } = await instrument(folder));
  });

  it("the checker explains a sound one, in an order that need not be that of the calls", () => {
    assert.deepEqual(linearize(SHAPE, SOUND), [0, 1, 2, 3, 4]);
    const swapped = doctored(2, { result: "EBADF" }).map(
      (call, i): Call => (i === 3 ? { ...call, result: "freed" } : call),
    );
    assert.deepEqual(linearize(SHAPE, swapped), [0, 1, 3, 2, 4]);
  });

  it("the checker refuses doctored ones", () => {
    const wrong: Record<string, Call[]> = {
      "freed twice": doctored(3, { result: "freed" }),
      "freed by nobody": doctored(2, { result: "EBADF" }),
      "the wrong place": doctored(4, { result: { page: 0, offset: 48 } }),
      "another page, though one has room": doctored(1, { result: { page: 1, offset: 16 } }),
      "refused, though there is room": doctored(4, { result: "ENOMEM" }),
      "placed, though it never fits": doctored(4, { op: { alloc: 97, object: 2 } }),
      "in the place of one that lives": doctored(2, { called: 20, returned: 21, op: { free: 1 } }).map(
        (call, i) => (i === 3 ? { ...call, called: 22, returned: 23 } : call),
      ),
      "freed before it was there": doctored(2, { called: -2, returned: -1 }),
    };
    for (const [what, calls] of Object.entries(wrong)) assert.equal(linearize(SHAPE, calls), null, what);
  });

  for (const { threads, calls } of [
    { threads: 2, calls: 6 },
    { threads: 3, calls: 5 },
    { threads: 4, calls: 4 },
  ]) {
    it(`of ${threads} threads, ${HISTORIES} from seed ${SEED}, agree with the model`, {
      timeout: 300_000,
    }, async () => {
      const counts = { overlapping: 0, refused: 0, freedTwice: 0, doctored: 0, caught: 0 };
      await play(module, threads, calls, (history, round) => {
        const order = linearize(SHAPE, history);
        if (order === null)
          assert.fail(`no order explains history ${round} of seed ${SEED}: ${JSON.stringify(history)}`);
        if (overlaps(history) > 0) counts.overlapping++;
        if (history.some(({ result }) => result === "ENOMEM")) counts.refused++;
        if (history.some(({ result }) => result === "EBADF")) counts.freedTwice++;
        // An object moved to where it cannot be.
        const at = history.findIndex(({ result }) => typeof result === "object");
        if (at < 0) return;
        counts.doctored++;
        const bad = history.map(
          (call, i): Call => (i === at ? { ...call, result: { page: 0, offset: 8 } } : call),
        );
        if (linearize(SHAPE, bad) === null) counts.caught++;
      });
      console.log(`${threads} threads: ${JSON.stringify(counts)}`);
      assert.ok(counts.overlapping > HISTORIES / 4, `only ${counts.overlapping} histories overlap`);
      assert.ok(counts.refused > 0 && counts.freedTwice > 0);
      assert.equal(counts.caught, counts.doctored);
    });
  }
});
