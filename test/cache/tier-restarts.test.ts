import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type Backing, FileBacking, type FileBackingOptions } from "../../src/backing/index.ts";
import { nextTurn, Prng } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { FakeClock } from "./cache-checks.ts";

const KEYS = 120;
const TAGS = 6;
const STEPS = 1500;

/** What the cache must have of a key. */
interface Live {
  readonly value: string;
  readonly tags: readonly string[];
  readonly expiresAt: number;
}

/** A cache over a backing store, both opened again at times, and what is live in it. */
class Restarted {
  readonly clock = new FakeClock();
  readonly live: Map<string, Live> = new Map();
  cache!: CompressedCache<string>;
  #backing!: Backing;
  readonly #openBacking: (clock: () => number) => Promise<Backing>;
  readonly #options: Partial<CompressedCacheOptions<string>>;

  constructor(
    openBacking: (clock: () => number) => Promise<Backing>,
    options: Partial<CompressedCacheOptions<string>>,
  ) {
    this.#openBacking = openBacking;
    this.#options = options;
  }

  async open(): Promise<void> {
    this.#backing = await this.#openBacking(this.clock.read);
    this.cache = new CompressedCache<string>({
      maxBytes: "4MiB",
      maxEntries: 40,
      tags: true,
      clock: this.clock.read,
      backing: this.#backing,
      ...this.#options,
    });
  }

  async close(): Promise<void> {
    const { entriesLost } = this.cache.close();
    assert.equal(entriesLost, 0);
    await this.#backing.close();
  }

  /** Ends with every write that is under way. */
  async settle(): Promise<void> {
    await this.#backing.flush();
    await new Promise<void>(nextTurn);
  }

  liveOf(key: string): Live | undefined {
    const live = this.live.get(key);
    return live === undefined || (live.expiresAt !== 0 && live.expiresAt <= this.clock.now)
      ? undefined
      : live;
  }

  async check(key: string): Promise<void> {
    const live = this.liveOf(key);
    assert.equal(await this.cache.getAsync(key), live?.value, key);
    if (live !== undefined && live.expiresAt !== 0) {
      assert.equal(this.cache.getRemainingTTL(key), live.expiresAt - this.clock.now, `ttl of ${key}`);
    }
  }
}

function set(world: Restarted, prng: Prng, key: string, step: number): void {
  const ttl = prng.chance(0.3) ? prng.between(50, 2000) : 0;
  const tags = Array.from({ length: prng.below(3) }, () => `t${prng.below(TAGS)}`);
  const value = `value of ${key} at ${step}, ${"and more of it ".repeat(prng.below(60))}`;
  world.cache.set(key, value, { ttl, tags });
  world.live.set(key, { value, tags, expiresAt: ttl === 0 ? 0 : world.clock.now + ttl });
}

function deleteTag(world: Restarted, tag: string): void {
  world.cache.deleteByTag(tag);
  for (const [key, { tags }] of world.live) if (tags.includes(tag)) world.live.delete(key);
}

function touch(world: Restarted, key: string, ttl: number): void {
  const live = world.liveOf(key);
  if (!world.cache.touch(key, ttl) || live === undefined) return;
  world.live.set(key, { ...live, expiresAt: world.clock.now + ttl });
}

async function step(world: Restarted, prng: Prng, number: number, context: TestContext): Promise<void> {
  const key = `k${prng.below(KEYS)}`;
  const kind = prng.below(100);
  if (kind < 45) set(world, prng, key, number);
  else if (kind < 55) {
    world.cache.delete(key);
    world.live.delete(key);
  } else if (kind < 58) deleteTag(world, `t${prng.below(TAGS)}`);
  else if (kind < 66) touch(world, key, prng.between(50, 2000));
  else if (kind < 80) await world.check(key);
  else if (kind < 88) context.mock.timers.tick(25);
  else if (kind < 93) await new Promise<void>(nextTurn);
  else if (kind < 95) await world.settle();
  else if (kind < 97) await world.cache.flush();
  else if (kind < 98) world.clock.now += prng.between(1, 200);
  else {
    await world.close();
    await world.open();
    if (prng.chance(0.05)) {
      world.cache.clear();
      world.live.clear();
    }
  }
}

const FILES: readonly (Partial<FileBackingOptions> & { name: string })[] = [
  { name: "a file" },
  { name: "a file with a small queue", maxInFlightBytes: 4096 },
  { name: "a file that drops", whenFull: "drop" },
  { name: "a file for crashes", unclean: "flushed" },
];
const CACHES: readonly Partial<CompressedCacheOptions<string>>[] = [
  {},
  { evict: "sieve", shards: 2 },
  { maxWriteBytesPerSecond: 0 },
];

describe("over restarts, a second tier gives all that is live, and nothing else", () => {
  const kinds: [string, (path: string, clock: () => number) => Promise<Backing>][] = FILES.map(
    ({ name, ...options }) => [
      name,
      (path, clock) => FileBacking.open(path, { maxBytes: 2 ** 25, clock, ...options }),
    ],
  );
  for (const [name, openFile] of kinds) {
    for (const [number, options] of CACHES.entries()) {
      it(`${name}, ${JSON.stringify(options)}`, async (context) => {
        context.mock.timers.enable({ apis: ["setTimeout"] });
        const prng = new Prng(number + 10);
        const path = freshPath();
        const world = new Restarted((clock) => openFile(path, clock), options);
        await world.open();
        for (let i = 0; i < STEPS; i++) await step(world, prng, i, context);
        for (let again = 0; again < 2; again++) {
          for (let i = 0; i < KEYS; i++) await world.check(`k${i}`);
          verify(world.cache);
          await world.close();
          await world.open();
        }
        await world.close();
      });
    }
  }
});
