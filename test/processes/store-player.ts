/** A process at a page store: random calls, each compared with what may be there now. */

import assert from "node:assert/strict";
import { Prng } from "../../src/base/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { isPageOf, makePage } from "../store/pages.ts";
import { arm, Board, memberOf, type Plan, readPlan } from "./player.ts";
import type { Truth } from "./truth.ts";

/** Makes and checks what one process does. Keys are indices of pages. */
export class StorePlayer {
  readonly store: PageStore;
  readonly #truth: Truth;
  readonly #plan: Plan;
  readonly #prng: Prng;
  readonly #page: Uint8Array;

  constructor(plan: Plan, truth: Truth) {
    this.#plan = plan;
    this.#truth = truth;
    this.#prng = new Prng(Math.imul(plan.seed, 0x9e3779b1) ^ plan.owner);
    this.store = new PageStore({ ...plan.options, shared: plan.path } as never);
    this.#page = new Uint8Array(this.store.pageSize);
  }

  /** Some calls. */
  step(): void {
    for (let i = 0; i < 20; i++) this.#act();
  }

  #act(): void {
    const key = this.#prng.below(this.#truth.keys);
    const what = this.#prng.below(200);
    if (what < 110) this.#read(key);
    else if (what < 178) this.#changing(key, () => this.#put(key));
    else if (what < 194) this.#changing(key, () => this.#invalidate(key));
    else if (what < 196) this.store.recompress("deflate", 3);
    else if (what < 198) this.store.stats();
    else if (!this.#plan.roomy) this.#rearrange();
  }

  /** Where pages may go. */
  #rearrange(): void {
    const { store } = this;
    if (this.#prng.chance(0.3)) store.shrinkBytes(8192);
    else if (this.#plan.options.drivers !== undefined)
      store.useDriver(this.#prng.chance(0.5) ? "zbud" : "log");
  }

  /** The version that is there, or 0. */
  #find(key: number): number {
    const page = this.#page;
    if (this.store.load(key, page) !== "loaded") return 0;
    assert.ok(isPageOf(key, page), `page ${key} has other bytes`);
    return new DataView(page.buffer).getUint32(4);
  }

  #read(key: number): void {
    const truth = this.#truth;
    const low = truth.committed(key);
    const found = this.#find(key);
    const high = Math.max(truth.pending(key), low);
    const isSame = low === high && truth.committed(key) === low;
    if (found === 0) {
      const isLost = this.#plan.roomy && isSame && (low & 1) === 1;
      assert.ok(!isLost, `page ${key} is lost: version ${low} was stored`);
      return;
    }
    assert.ok(
      found >= low && found <= high,
      `page ${key} has version ${found}: ${low} to ${high} were possible`,
    );
  }

  /** Does something with a page that nobody else changes meanwhile. */
  #changing(key: number, change: () => void): void {
    if (!this.#truth.claim(key, this.#plan.owner)) return;
    this.settle(key);
    change();
    this.#truth.release(key);
  }

  /** Finds out what became of a page whose owner died, and makes sure of one whose owner did not. */
  settle(key: number): void {
    const truth = this.#truth;
    const [committed, pending] = [truth.committed(key), truth.pending(key)];
    const found = this.#find(key);
    if (found !== 0) {
      assert.ok(
        found === committed || found === pending,
        `page ${key} has ${found}: ${committed} or ${pending}`,
      );
      if (found === committed) truth.undo(key);
      else truth.commit(key, found);
      return;
    }
    const isLost = this.#plan.roomy && committed === pending && (committed & 1) === 1;
    assert.ok(!isLost, `page ${key} is lost: version ${committed} was stored`);
    truth.commitNone(key);
  }

  #put(key: number): void {
    const truth = this.#truth;
    const version = truth.begin(key, true);
    const result = this.store.store(key, makePage(key, version, this.#page.length));
    if (result === "stored") {
      truth.commit(key, version);
      return;
    }
    assert.ok(!this.#plan.roomy, `storing page ${key} gave ${result}`);
    truth.commitNone(key);
  }

  #invalidate(key: number): void {
    const truth = this.#truth;
    const before = truth.committed(key);
    const version = truth.begin(key, false);
    const was = this.store.invalidate(key);
    if ((before & 1) === 0) assert.ok(!was, `page ${key} was not there, and was invalidated`);
    else if (this.#plan.roomy) assert.ok(was, `page ${key} was there, and was not invalidated`);
    truth.commit(key, version);
  }
}

if (process.argv[1]?.endsWith("store-player.mjs")) await play();

async function play(): Promise<void> {
  registerBuiltIns();
  const plan = readPlan();
  const board = new Board(plan);
  const member = memberOf(plan, board);
  arm(plan, board);
  const player = new StorePlayer(plan, board.truth);
  for (let steps = 0; member.goesOn(steps); steps++) player.step();
  await player.store.close();
}
