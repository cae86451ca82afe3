/**
 * Random calls on a small cache over a file that has room for all, with awaits at random places: whatever was set last is
 * found, in memory or in the file or on the way there, and nothing older.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Backing, FileBacking, KeyvBacking, MemoryBacking } from "../../src/backing/index.ts";
import { nextTurn, Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { freshPath } from "../support/fresh-path.ts";

/** Another run: ZBUD_TIER_SEED=N. */
const SEED = Number(process.env.ZBUD_TIER_SEED ?? 1);
const STEPS = Number(process.env.ZBUD_TIER_STEPS ?? 4000);
const KEYS = 60;

interface Known {
  /** What was set last; null: nothing is there. */
  value: string | null;
  /** Counts changes. */
  changes: number;
  /** Nothing is there, but a load was begun since, which may have stored its value. */
  mayBeLoaded: boolean;
}

class Player {
  readonly #caches: readonly CompressedCache<string>[];
  readonly #prng: Prng;
  readonly #known: Known[] = Array.from({ length: KEYS }, () => ({
    value: null,
    changes: 0,
    mayBeLoaded: false,
  }));
  readonly #underWay: Promise<void>[] = [];
  #count = 0;
  found = 0;

  constructor(caches: readonly CompressedCache<string>[], seed: number) {
    this.#caches = caches;
    this.#prng = new Prng(seed);
  }

  async step(): Promise<void> {
    const prng = this.#prng;
    const cache = this.#caches[prng.below(this.#caches.length)];
    const key = prng.below(KEYS);
    const dice = prng.below(100);
    if (dice < 40) this.#set(cache, key);
    else if (dice < 48) this.#delete(cache, key);
    else if (dice < 49) this.#clear(cache);
    else if (dice < 70) this.#underWay.push(this.#read(cache, key));
    else if (dice < 80) await this.#read(cache, key);
    else if (dice < 88) this.#underWay.push(this.#load(cache, key));
    else if (dice < 89) this.#underWay.push(cache.flush().then(() => undefined));
    else if (dice < 96) for (let i = prng.below(4); i >= 0; i--) await Promise.resolve();
    else await new Promise<void>(nextTurn);
  }

  async end(): Promise<void> {
    await Promise.all(this.#underWay.splice(0));
    for (const cache of this.#caches) for (let key = 0; key < KEYS; key++) await this.#read(cache, key);
  }

  #changed(key: number, value: string | null): void {
    const known = this.#known[key];
    known.value = value;
    known.changes++;
    known.mayBeLoaded = false;
  }

  #set(cache: CompressedCache<string>, key: number): void {
    const value = `${key} ${this.#count++} `.repeat(1 + this.#prng.below(200));
    assert.notEqual(cache.set(`key ${key}`, value), "E2BIG");
    this.#changed(key, value);
  }

  #delete(cache: CompressedCache<string>, key: number): void {
    cache.delete(`key ${key}`);
    this.#changed(key, null);
  }

  #clear(cache: CompressedCache<string>): void {
    cache.clear();
    for (let key = 0; key < KEYS; key++) this.#changed(key, null);
  }

  async #read(cache: CompressedCache<string>, key: number): Promise<void> {
    const { changes, value } = this.#known[key];
    const read = await cache.getAsync(`key ${key}`);
    const now = this.#known[key];
    if (now.changes !== changes) return;
    if (now.mayBeLoaded && read === loadedOf(key)) return;
    assert.equal(read ?? null, value, `key ${key} after ${this.#count} sets`);
    if (read !== undefined) this.found++;
  }

  async #load(cache: CompressedCache<string>, key: number): Promise<void> {
    const known = this.#known[key];
    const { changes, value } = known;
    known.mayBeLoaded = value === null;
    const read = await cache.getOrSet(`key ${key}`, () => {
      // What is there need not be loaded.
      const now = this.#known[key];
      if (now.changes === changes) assert.equal(value, null, `key ${key} was loaded`);
      now.mayBeLoaded = now.value === null;
      return now.value ?? loadedOf(key);
    });
    const now = this.#known[key];
    if (now.changes !== changes) return;
    assert.equal(read, value ?? loadedOf(key));
  }
}

function loadedOf(key: number): string {
  return `${key} loaded`;
}

/** A cache of a few entries on it, that a second one in this thread may share. */
async function play(backing: Backing, seed: number, others: readonly Backing[] = []): Promise<void> {
  const shared = others.length > 0;
  const cache = new CompressedCache<string>({ maxBytes: "1MiB", maxEntries: 8, shared, backing });
  const attached = others.map((other) => CompressedCache.attach<string>(cache.share(), { backing: other }));
  const player = new Player([cache, ...attached], seed);
  for (let step = 0; step < STEPS; step++) {
    await player.step();
    if (step % 500 === 0) verify(cache);
  }
  await player.end();
  assert.ok(player.found > STEPS / 20, `${player.found} found`);
  for (const each of [...attached, cache]) {
    await each.flush();
    each.close();
  }
  for (const each of [...others, backing]) await each.close();
}

describe(`a cache over a second tier that has room for all (seed ${SEED})`, () => {
  for (let round = 0; round < 3; round++) {
    const seed = 100 * SEED + round;
    it(`a file, ${seed}`, async () => {
      await play(await FileBacking.open(freshPath(), { maxBytes: 2 ** 22 }), seed);
    });
    it(`a file that drops the oldest, ${seed}`, async () => {
      await play(await FileBacking.open(freshPath(), { maxBytes: 2 ** 22, whenFull: "drop" }), seed);
    });
    it(`a Keyv, ${seed}`, async () => {
      await play(new KeyvBacking({ store: new Map() }), seed);
    });
    it(`memory, ${seed}`, async () => {
      await play(new MemoryBacking(), seed);
    });
  }
});
