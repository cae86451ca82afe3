/** A process at a cache: random calls, each compared with what may be there now. */

import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { arm, Board, memberOf, type Plan, readPlan } from "./player.ts";
import type { Truth } from "./truth.ts";
import { makeValue, type Value, versionOf } from "./values.ts";

/** Keys that have one tag, and lie one after the other. */
export const TAGGED = 8;
const TTL_MS = 40;
/** Keys that everybody loads and changes with nobody keeping count, named apart from the others. */
const FREE_KEYS = 20;

export function tagOf(key: number): string {
  return `tag ${Math.floor(key / TAGGED)}`;
}

/** Makes and checks what one process does. */
export class CachePlayer {
  readonly cache: CompressedCache<Value>;
  readonly #truth: Truth;
  readonly #plan: Plan;
  readonly #prng: Prng;

  constructor(plan: Plan, truth: Truth) {
    this.#plan = plan;
    this.#truth = truth;
    this.#prng = new Prng(Math.imul(plan.seed, 0x9e3779b1) ^ plan.owner);
    this.cache = new CompressedCache<Value>({ ...plan.options, shared: plan.path } as never);
  }

  /** Some calls. */
  async step(): Promise<void> {
    for (let i = 0; i < 20; i++) this.#act();
    const what = this.#prng.below(16);
    if (what === 0) await this.#load();
    else if (what === 1) await this.#loadFree();
  }

  #act(): void {
    const key = this.#prng.below(this.#truth.keys);
    const what = this.#prng.below(100);
    if (what < 56) this.#read(key, what);
    else if (what < 88) this.#changing(key, () => this.#set(key, what < 62));
    else if (what < 96) this.#changing(key, () => this.#delete(key));
    else if (what < 98) this.#deleteTag(key);
    else this.#look(key);
  }

  /** Reads what others may be changing. */
  #read(key: number, what: number): void {
    const truth = this.#truth;
    const low = truth.committed(key);
    const start = Date.now();
    const isWhole = what < 50;
    const value = isWhole ? this.cache.get(key) : this.cache.has(key);
    const over = truth.mayBeOver(key, Date.now());
    const mustBeOver = truth.mustBeOver(key, start);
    const high = truth.pending(key);
    const isSame = low === high && truth.committed(key) === low;
    if (value === undefined || value === false) {
      const isLost = this.#plan.roomy && isSame && (low & 1) === 1 && !over;
      assert.ok(!isLost, `key ${key} is lost: version ${low} was stored`);
      return;
    }
    if (isSame) {
      assert.ok((low & 1) === 1, `key ${key} is there: it was deleted in version ${low}`);
      assert.ok(!mustBeOver, `key ${key} is there: version ${low} has expired`);
    }
    if (isWhole) this.#checkVersion(key, value as Value, low, Math.max(high, low));
  }

  #checkVersion(key: number, value: Value, low: number, high: number): void {
    const found = versionOf(key, value);
    assert.ok(
      found >= low && found <= high,
      `key ${key} has version ${found}, and versions ${low} to ${high} were possible`,
    );
  }

  /** Looks that change nothing. */
  #look(key: number): void {
    const { cache } = this;
    if (this.#prng.chance(0.5)) cache.getRemainingTTL(key);
    else cache.info(key);
    if (!this.#prng.chance(0.02)) return;
    let count = 0;
    for (const each of cache.keys()) if (++count > 50 || each === undefined) break;
    cache.stats();
  }

  /** Does something with a key that nobody else changes meanwhile. */
  #changing(key: number, change: () => void): void {
    if (!this.#truth.claim(key, this.#plan.owner)) return;
    this.settle(key);
    change();
    this.#truth.release(key);
  }

  /** Finds out what became of a key whose owner died, and makes sure of one whose owner did not. */
  settle(key: number): void {
    const truth = this.#truth;
    const [committed, pending] = [truth.committed(key), truth.pending(key)];
    const start = Date.now();
    const value = this.cache.peek(key);
    if (committed === pending) {
      const isOver = truth.mayBeOver(key, Date.now());
      if (value !== undefined) {
        assert.equal(versionOf(key, value), committed, `key ${key}`);
        assert.ok(!truth.mustBeOver(key, start), `key ${key} has expired`);
      } else if ((committed & 1) === 1) {
        assert.ok(isOver || !this.#plan.roomy, `key ${key} is lost: version ${committed} was stored`);
        truth.commitNone(key);
      }
      return;
    }
    if (value === undefined) {
      truth.commitNone(key);
      return;
    }
    const found = versionOf(key, value);
    assert.ok(
      found === committed || found === pending,
      `key ${key} has ${found}: ${committed} or ${pending}`,
    );
    // Whoever died did not say when it expires: any moment.
    if (found === pending) truth.commit(key, found, 1);
    else truth.undo(key);
  }

  #set(key: number, expires: boolean): void {
    const truth = this.#truth;
    const version = truth.begin(key, true);
    const value = makeValue(key, version);
    const start = Date.now();
    const result = this.cache.set(key, value, {
      tags: [tagOf(key)],
      ...(expires ? { ttl: TTL_MS } : {}),
    });
    const end = Date.now();
    if (result === "add" || result === "replace") {
      truth.commit(key, version, expires ? start + TTL_MS : 0, expires ? end + TTL_MS : 0);
      return;
    }
    assert.ok(!this.#plan.roomy, `set of ${key} gave ${result}`);
    truth.commitNone(key);
  }

  #delete(key: number): void {
    const truth = this.#truth;
    const before = truth.committed(key);
    const version = truth.begin(key, false);
    const deleted = this.cache.delete(key);
    const mayMiss = !this.#plan.roomy || truth.mayBeOver(key, Date.now());
    if ((before & 1) === 0) assert.ok(!deleted, `key ${key} was not there, and was deleted`);
    else if (!mayMiss) assert.ok(deleted, `key ${key} was there, and was not deleted`);
    truth.commit(key, version);
  }

  /** Deletes all keys of a tag, where nobody else is at one of them. */
  #deleteTag(first: number): void {
    const truth = this.#truth;
    const start = Math.floor(first / TAGGED) * TAGGED;
    const keys: number[] = [];
    for (let key = start; key < Math.min(start + TAGGED, truth.keys); key++) {
      if (!truth.claim(key, this.#plan.owner)) break;
      keys.push(key);
    }
    if (keys.length === TAGGED) {
      for (const key of keys) this.settle(key);
      const live = keys.filter((key) => (truth.committed(key) & 1) === 1);
      const versions = keys.map((key) => truth.begin(key, false));
      const count = this.cache.deleteByTag(tagOf(start));
      const now = Date.now();
      const sure = live.filter((key) => !truth.mayBeOver(key, now)).length;
      assert.ok(count <= live.length, `${count} of ${live.length} were deleted by tag`);
      assert.ok(
        !this.#plan.roomy || count >= sure,
        `${count} of ${sure} to ${live.length} were deleted by tag`,
      );
      for (const [i, key] of keys.entries()) truth.commit(key, versions[i]);
    }
    for (const key of keys) truth.release(key);
  }

  /** Loads a key that nobody else changes meanwhile. */
  async #load(): Promise<void> {
    const truth = this.#truth;
    const key = this.#prng.below(truth.keys);
    if (!truth.claim(key, this.#plan.owner)) return;
    this.settle(key);
    const before = truth.committed(key);
    const overAtStart = truth.mayBeOver(key, Date.now());
    let loaded = 0;
    const value = await this.cache.getOrSet(
      key,
      async () => {
        loaded = truth.begin(key, true);
        await turn();
        return makeValue(key, loaded);
      },
      { tags: [tagOf(key)] },
    );
    const found = versionOf(key, value);
    if (loaded === 0) {
      assert.equal(found, before, `key ${key} was not loaded, and has ${found}`);
    } else {
      assert.equal(found, loaded, `key ${key} was loaded as ${loaded}, and is ${found}`);
      const isOver = overAtStart || truth.mayBeOver(key, Date.now());
      assert.ok((before & 1) === 0 || isOver || !this.#plan.roomy, `key ${key} was there, and was loaded`);
      // Whether it was put as well: a tag that shares its place in the table may have been deleted meanwhile.
      const there = this.cache.peek(key);
      if (there === undefined) truth.commitNone(key);
      else truth.commit(key, versionOf(key, there));
    }
    truth.release(key);
  }

  /** Loads a key that everybody loads and changes. */
  async #loadFree(): Promise<void> {
    const key = this.#prng.below(FREE_KEYS);
    const name = `free ${key}`;
    const what = this.#prng.below(4);
    if (what === 0) {
      this.cache.delete(name);
      return;
    }
    if (what === 1) {
      this.cache.set(name, makeValue(key, 2 * this.#plan.owner + 1));
      return;
    }
    const value = await this.cache.getOrSet(name, async () => {
      await turn();
      return makeValue(key, 2 * this.#plan.owner + 1);
    });
    versionOf(key, value);
  }
}

if (process.argv[2] !== undefined && process.argv[1]?.endsWith("cache-player.mjs")) await play();

async function play(): Promise<void> {
  registerBuiltIns();
  const plan = readPlan();
  const board = new Board(plan);
  const member = memberOf(plan, board);
  arm(plan, board);
  const player = new CachePlayer(plan, board.truth);
  for (let steps = 0; member.goesOn(steps); steps++) await player.step();
  player.cache.close();
}
