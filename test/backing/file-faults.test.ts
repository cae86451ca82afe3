import assert from "node:assert/strict";
import { statSync, truncateSync, unlinkSync } from "node:fs";
import { describe, it } from "node:test";
import { FileBacking, type FileBackingOptions, MemoryBacking } from "../../src/backing/index.ts";
import { ZbudError } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { until } from "../support/until.ts";
import { BackingModel } from "./backing-model.ts";
import { FAULTS, type Fault, FaultPlan } from "./faults.ts";
import { FaultyBacking } from "./faulty.ts";
import { faultyIo } from "./faulty-io.ts";
import { checkRecordOf, keyOf, recordOf, writesAgain } from "./records.ts";

/** Another run: ZBUD_BACKING_SEED=N. */
const SEED = Number(process.env.ZBUD_BACKING_SEED ?? 1);
const CODES = ["EIO", "ENOSPC", "ETIMEDOUT", "EBADMSG"];
const SMALL: FileBackingOptions = { maxBytes: 2 ** 20 };

/** Short where a test waits for it; a busy machine must not come to feel it elsewhere. */
function timeoutFor(fault: Fault): FileBackingOptions {
  return { ...SMALL, timeoutMs: fault === "never" ? 150 : 20_000 };
}

/** A store whose file has faults from now on, not while it is opened. */
async function openFaulty(plan: FaultPlan, options = SMALL, path = freshPath()): Promise<FileBacking> {
  plan.stop();
  const backing = await FileBacking.open(path, options, { io: faultyIo(plan) });
  plan.start();
  return backing;
}

describe("faults of the file", () => {
  for (const fault of FAULTS) {
    it(`${fault}, in every fifth call of a random run (seed ${SEED})`, async () => {
      const plan = new FaultPlan(SEED, [fault]);
      const backing = await openFaulty(plan, timeoutFor(fault));
      const model = new BackingModel(backing, {
        seed: SEED,
        keys: 60,
        maxLength: 5000,
        mayLose: true,
        faults: CODES,
      });
      for (let round = 0; round < 4; round++) {
        plan.start();
        for (let step = 0; step < 150; step++) {
          model.step();
          if (step % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
          if (step % 40 === 0) verify(backing);
        }
        await model.settle();
        await backing.flush().catch((error: unknown) => assert.ok(error instanceof ZbudError, String(error)));
        // The fault ends: from here on all is well again.
        plan.stop();
        await model.settle();
        await recovered(backing);
        const key = 1000 + round;
        await writesAgain(backing, key);
        checkRecordOf(key, (await backing.read(keyOf(key))) ?? assert.fail("it was just written"));
        await model.checkAll();
        verify(backing);
        assert.equal(backing.stats().bytesInFlight, 0);
        assert.equal(backing.stats().isDown, false);
      }
      assert.ok(plan.made[fault] > 20, `${plan.made[fault]} faults were made`);
      await backing.close();
    });
  }

  it("at each call of a short run, one after the other", async () => {
    for (const fault of FAULTS) {
      for (let at = 0; at < 14; at++)
        await shortRun(FaultPlan.at(at, fault), fault, `${fault} at call ${at}`);
    }
  });

  it("a write that never answers: ETIMEDOUT, EAGAIN meanwhile, and all well when it does", async () => {
    const plan = FaultPlan.at(0, "never");
    const backing = await openFaulty(plan, timeoutFor("never"));
    const first = backing.write([recordOf(1, 1, 1000)]);
    await new Promise((resolve) => setImmediate(resolve));
    const second = backing.write([recordOf(2, 1, 1000)]);
    const [outcome] = await first;
    assert.ok(outcome instanceof ZbudError && outcome.code === "ETIMEDOUT");
    await second;
    assert.equal(backing.stats().isDown, true);
    assert.ok(backing.stats().bytesInFlight > 0, "its memory is still in use");
    assert.deepEqual(await backing.write([recordOf(1, 2, 1000)]), ["EAGAIN"]);
    assert.equal(await backing.read(keyOf(1)), null);
    await assert.rejects(backing.flush(), { code: "ETIMEDOUT" });
    verify(backing);
    plan.stop();
    await recovered(backing);
    assert.equal(backing.stats().bytesInFlight, 0);
    await writesAgain(backing, 1);
    assert.equal((await backing.read(keyOf(1)))?.stamp, 1);
    verify(backing);
    await backing.close();
  });

  it("what is under way is found until its write fails", async () => {
    for (const fault of ["EIO", "ENOSPC", "never"] as const) {
      const plan = FaultPlan.at(0, fault);
      const backing = await openFaulty(plan, timeoutFor(fault));
      await new Promise((resolve) => setImmediate(resolve));
      const writing = backing.write([recordOf(1, 1, 1000)]);
      assert.equal((await backing.read(keyOf(1)))?.stamp, 1, fault);
      assert.equal(backing.has(keyOf(1)), true, fault);
      const [outcome] = await writing;
      assert.ok(outcome instanceof ZbudError, fault);
      assert.equal(backing.has(keyOf(1)), false, fault);
      assert.equal(await backing.read(keyOf(1)), null, fault);
      plan.stop();
      await recovered(backing);
      await backing.close();
    }
  });

  it("a close while writes are under way: they end well, and reads are ECLOSED from then on", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(path, SMALL);
    const reading = backing.write([recordOf(1, 1, 1000)]).then(() => "written");
    const early = backing.read(keyOf(1));
    const closing = backing.close();
    assert.throws(() => backing.readSync(keyOf(1)), { code: "ECLOSED" });
    await assert.rejects(backing.read(keyOf(1)), { code: "ECLOSED" });
    assert.equal((await early)?.stamp, 1);
    assert.equal(await reading, "written");
    await closing;
    const again = await FileBacking.open(path, SMALL);
    assert.equal((await again.read(keyOf(1)))?.stamp, 1);
    await again.close();
  });

  it("a file that was removed while it was in use: all goes on", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(path, SMALL);
    await backing.write([recordOf(1, 1, 1000)]);
    unlinkSync(path);
    assert.deepEqual(await backing.write([recordOf(2, 1, 1000)]), ["ok"]);
    for (const number of [1, 2])
      checkRecordOf(number, (await backing.read(keyOf(number))) ?? assert.fail("a miss"));
    assert.throws(() => FileBacking.attach(backing.share()), { code: "ENOENT" });
    await backing.close();
    const next = await FileBacking.open(path, SMALL);
    assert.equal(next.opened?.found, "new");
    await next.close();
  });

  it("a file that was cut short: damaged records, typed errors, and room again", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(path, SMALL);
    await backing.write([recordOf(1, 1, 1000), recordOf(2, 1, 1000)]);
    const { size } = statSync(path);
    truncateSync(path, 40_000);
    await assert.rejects(backing.read(keyOf(2)), { code: "EBADMSG" });
    assert.equal(await backing.read(keyOf(2)), null);
    assert.equal(backing.stats().readsDamaged, 1);
    assert.deepEqual(await backing.write([recordOf(2, 2, 1000)]), ["ok"]);
    assert.equal((await backing.read(keyOf(2)))?.stamp, 2);
    assert.ok(size >= 40_000);
    await backing.close();
  });
});

/** What did not answer has ended. */
async function recovered(backing: FileBacking): Promise<void> {
  await until("the fault's end", () => !backing.stats().isDown && backing.stats().bytesInFlight === 0);
}

/** Some calls of each kind; whatever goes wrong is typed, and nothing is wrong with what is read. */
async function shortRun(plan: FaultPlan, fault: Fault, what: string): Promise<void> {
  const backing = await openFaulty(plan, timeoutFor(fault));
  const typed = (error: unknown): null => {
    assert.ok(error instanceof ZbudError && CODES.includes(error.code), `${what}: ${String(error)}`);
    return null;
  };
  for (const number of [1, 2, 3]) {
    await backing.write([recordOf(number, 1, 700 * number)]);
    const read = await backing.read(keyOf(number)).catch(typed);
    if (read !== null) assert.equal(checkRecordOf(number, read), 1, what);
  }
  await backing.flush().catch(typed);
  backing.delete(keyOf(2));
  backing.writeSync(recordOf(2, 2, 50));
  for (const number of [1, 2, 3]) {
    const read = await backing.read(keyOf(number)).catch(typed);
    if (read !== null) assert.equal(checkRecordOf(number, read), number === 2 ? 2 : 1, what);
  }
  verify(backing);
  plan.stop();
  await recovered(backing);
  await backing.flush();
  await writesAgain(backing, 9);
  await backing.close();
}

describe("the wrapper with faults keeps the contract of what it wraps", () => {
  it(`in a random run, seed ${SEED}`, async () => {
    const plan = new FaultPlan(SEED);
    const backing = new FaultyBacking(new MemoryBacking(), plan);
    const model = new BackingModel(backing, {
      seed: SEED,
      keys: 30,
      maxLength: 500,
      mayLose: true,
      faults: CODES,
    });
    for (let step = 0; step < 800; step++) {
      model.step();
      if (step % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await model.checkAll();
    for (const fault of FAULTS) assert.ok(plan.made[fault] > 10, fault);
    await backing.close();
  });
});
