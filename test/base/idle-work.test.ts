/** Work in the pauses of an event loop: when it is done, and how much of the time it takes. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { IdleTurns, type IdleWork, type Loop } from "../../src/base/idle-work.ts";
import { ZbudError } from "../../src/base/index.ts";

/** An event loop of which others use so much. Its time passes when it is told to, and while work is done. */
class FakeLoop implements Loop {
  time = 0;
  /** Share of the time between turns that others use. */
  others = 0;
  #worked = 0;
  #asked = 0;
  #next: { at: number; call: () => void } | null = null;

  now(): number {
    return this.time;
  }

  usage(): number {
    const passed = this.time - this.#asked;
    const share = passed === 0 ? 1 : (this.#worked + this.others * (passed - this.#worked)) / passed;
    this.#asked = this.time;
    this.#worked = 0;
    return share;
  }

  later(call: () => void, ms: number): () => void {
    const next = { at: this.time + ms, call };
    this.#next = next;
    return () => {
      if (this.#next === next) this.#next = null;
    };
  }

  get isWaiting(): boolean {
    return this.#next !== null;
  }

  work(ms: number): void {
    this.time += ms;
    this.#worked += ms;
  }

  pass(ms: number): void {
    for (const end = this.time + ms; this.#next !== null && this.#next.at <= end; ) {
      const { at, call } = this.#next;
      this.#next = null;
      this.time = Math.max(this.time, at);
      call();
    }
  }
}

/** Work that takes so long in all, in pieces of 0.1 ms. */
class Pieces implements IdleWork {
  readonly loop: FakeLoop;
  left: number;
  done = 0;
  asked = 0;
  error: unknown;

  constructor(loop: FakeLoop, ms: number) {
    this.loop = loop;
    this.left = ms;
  }

  work(end: number): boolean {
    this.asked++;
    while (this.left > 0 && this.loop.now() < end) {
      this.loop.work(0.1);
      this.left -= 0.1;
      this.done += 0.1;
    }
    return this.left > 0;
  }

  failed(error: unknown): void {
    this.error = error;
  }
}

/** What was done in a second of a loop that others use so much. */
function doneInASecond(others: number): number {
  const loop = new FakeLoop();
  const turns = new IdleTurns(loop);
  const work = new Pieces(loop, 1e6);
  loop.others = others;
  turns.add(work);
  loop.pass(1000);
  return work.done;
}

describe("work in the pauses of an event loop", () => {
  it("takes half of the time of one that is idle, and 5 % of one that is not", () => {
    assert.ok(doneInASecond(0) > 350, `${doneInASecond(0)} ms of a second`);
    for (const others of [0.2, 0.5, 0.9, 1]) {
      const ms = doneInASecond(others);
      assert.ok(ms > 30 && ms <= 51, `${ms} ms of a second, of which others use ${others}`);
    }
  });

  it("begins soon after the others have ended, and steps back soon after they began", () => {
    const loop = new FakeLoop();
    const turns = new IdleTurns(loop);
    const work = new Pieces(loop, 1e6);
    turns.add(work);
    loop.others = 1;
    loop.pass(1000);
    loop.others = 0;
    let before = work.done;
    loop.pass(1000);
    assert.ok(work.done - before > 250, `${work.done - before} ms of the second after`);
    loop.others = 1;
    before = work.done;
    loop.pass(1000);
    assert.ok(work.done - before < 70, `${work.done - before} ms of the next`);
  });

  it("asks ten times a second while there is nothing to do", () => {
    const loop = new FakeLoop();
    const turns = new IdleTurns(loop);
    const work = new Pieces(loop, 0);
    turns.add(work);
    loop.pass(10_000);
    assert.equal(work.asked, 100);
    turns.delete(work);
    assert.equal(loop.isWaiting, false, "no timer without work");
    turns.add(work);
    loop.pass(1000);
    assert.equal(work.asked, 110);
  });

  it("lets go of what fails, and tells it; one that meets a busy lock goes on", () => {
    const loop = new FakeLoop();
    const turns = new IdleTurns(loop);
    const broken = new Pieces(loop, 0);
    const busy = new Pieces(loop, 0);
    const error = new Error("broken");
    broken.work = () => {
      broken.asked++;
      throw error;
    };
    busy.work = () => {
      busy.asked++;
      throw new ZbudError("EAGAIN", "somebody has the lock");
    };
    for (const work of [broken, busy]) turns.add(work);
    loop.pass(1000);
    assert.equal(broken.error, error);
    assert.equal(broken.asked, 1);
    assert.equal(busy.error, undefined);
    assert.equal(busy.asked, 10);
  });

  it("keeps no process alive", () => {
    const module = new URL("../../src/base/index.ts", import.meta.url).href;
    const program = `
      const { workWhenIdle } = await import(${JSON.stringify(module)});
      globalThis.kept = { work: () => true, failed: () => {} };
      workWhenIdle(globalThis.kept);`;
    const { status, signal } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      timeout: 20_000,
    });
    assert.deepEqual([status, signal], [0, null]);
  });
});
