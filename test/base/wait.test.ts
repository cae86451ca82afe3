/** Waits that an abort or a time may end. */

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { waitAtMost, withSignal } from "../../src/base/index.ts";

const NEVER = Number.POSITIVE_INFINITY;
const late = (): Error => new Error("late");
const pending = (): Promise<string> => new Promise(() => {});

describe("waits that may end early", () => {
  it("a time that is over already ends it, without a warning of Node", async () => {
    const warnings: Error[] = [];
    const warn = (warning: Error): number => warnings.push(warning);
    process.on("warning", warn);
    await assert.rejects(waitAtMost(pending(), -5, late), /late/);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", warn);
    assert.deepEqual(warnings, []);
  });

  for (const [name, wait] of [
    [
      "without a bound of time",
      (promise: Promise<string>, signal?: AbortSignal) => withSignal(promise, signal),
    ],
    [
      "with one",
      (promise: Promise<string>, signal?: AbortSignal) => waitAtMost(promise, 60_000, late, signal),
    ],
  ] as const) {
    it(`${name}: the result, or what the promise rejects with`, async () => {
      const { signal } = new AbortController();
      for (const given of [undefined, signal]) {
        assert.equal(await wait(Promise.resolve("done"), given), "done");
        await assert.rejects(wait(Promise.reject(new Error("failed")), given), /failed/);
      }
      assert.equal(getEventListeners(signal, "abort").length, 0, "nobody listens any more");
    });

    it(`${name}: a signal ends the wait with its reason, also one that was aborted before`, async () => {
      const controller = new AbortController();
      const waiting = wait(pending(), controller.signal);
      controller.abort("enough");
      await assert.rejects(waiting, (reason) => reason === "enough");
      await assert.rejects(wait(pending(), controller.signal), (reason) => reason === "enough");
      await assert.rejects(wait(Promise.resolve("done"), controller.signal), (reason) => reason === "enough");
      await assert.rejects(
        wait(Promise.reject(new Error("failed")), controller.signal),
        (reason) => reason === "enough",
      );
      assert.equal(getEventListeners(controller.signal, "abort").length, 0, "nobody listens any more");
    });

    it(`${name}: a failure after the wait is nobody's news`, async () => {
      const { promise, reject } = Promise.withResolvers<string>();
      await assert.rejects(wait(promise, AbortSignal.abort("enough")), (reason) => reason === "enough");
      reject(new Error("failed later")); // which would end this process
      await new Promise((resolve) => setImmediate(resolve));
    });
  }

  it("a time that is over is the error that was asked for, and ends no other wait", async () => {
    const { signal } = new AbortController();
    await assert.rejects(waitAtMost(pending(), 5, late, signal), /late/);
    assert.equal(getEventListeners(signal, "abort").length, 0, "nobody listens any more");
    const slow = Promise.withResolvers<string>();
    const waits = waitAtMost(slow.promise, NEVER, late);
    setImmediate(() => slow.resolve("done"));
    assert.equal(await waits, "done");
  });
});
