/** The handler of Next.js's cacheHandlers, called as Next.js does, in one thread and over several handlers. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AnyCache } from "../../src/adapters/keys.ts";
import { type NextCacheEntry, type NextCacheHandler, nextCacheHandler } from "../../src/adapters/next.ts";
import { handlerWith } from "../../src/adapters/next-handler.ts";
import { pack } from "../../src/adapters/packed-value.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { testCache, tooLarge } from "./caches.ts";

const START = 1_700_000_000_000;

/** A handler over a cache, both with one clock that the test moves. */
class Fixture {
  now: number = START;
  readonly cache: CompressedCache = testCache({ clock: () => this.now });
  readonly handler: NextCacheHandler = this.another();

  constructor() {
    this.now += 1000;
  }

  /** As another worker thread has it. */
  another(): NextCacheHandler {
    return nextCacheHandler(this.cache, { clock: () => this.now });
  }

  entry(text: string, overrides: Partial<NextCacheEntry> = {}): NextCacheEntry {
    const value = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (const part of text.match(/.{1,1000}/gs) ?? []) controller.enqueue(Buffer.from(part));
        controller.close();
      },
    });
    return { value, tags: [], stale: 30, timestamp: this.now, expire: 3600, revalidate: 60, ...overrides };
  }

  set(key: string, text: string, overrides: Partial<NextCacheEntry> = {}): Promise<void> {
    return this.handler.set(key, Promise.resolve(this.entry(text, overrides)));
  }
}

async function textOf(entry: NextCacheEntry | undefined): Promise<string | undefined> {
  return entry === undefined ? undefined : await new Response(entry.value).text();
}

describe("the handler of Next.js", () => {
  it("gives what was set, with all that Next.js noted of it", async () => {
    const fixture = new Fixture();
    assert.equal(await fixture.handler.get("none", []), undefined);
    const text = "<p>ünïcode</p>".repeat(5000);
    const made = { tags: ["a", "b"], stale: 5, expire: 100, revalidate: 10, timestamp: fixture.now };
    await fixture.set("page", text, made);
    for (let round = 0; round < 2; round++) {
      const found = await fixture.handler.get("page", []);
      assert.equal(await textOf(found), text);
      assert.deepEqual({ ...found, value: 0 }, { ...made, value: 0 });
    }
    assert.ok(fixture.cache.stats().storedBytes < text.length / 10, "it is compressed");
  });

  it("keeps an entry past its revalidate, for Next.js to make it anew, and not past its expire", async () => {
    const fixture = new Fixture();
    await fixture.set("page", "text", { revalidate: 60, expire: 3600 });
    fixture.now += 3_599_000;
    assert.equal(await textOf(await fixture.handler.get("page", [])), "text");
    fixture.now += 1000;
    assert.equal(await fixture.handler.get("page", []), undefined);
    await fixture.set("endless", "text", { expire: 4_294_967_294, timestamp: fixture.now });
    fixture.now += 10 * 365 * 86_400_000;
    assert.equal(await textOf(await fixture.handler.get("endless", [])), "text");
    const forever = Number.POSITIVE_INFINITY;
    await fixture.set("forever", "text", { stale: forever, revalidate: forever, expire: forever });
    fixture.now += 10 * 365 * 86_400_000;
    const found = await fixture.handler.get("forever", []);
    assert.equal(await textOf(found), "text");
    assert.ok(found!.timestamp + found!.revalidate * 1000 > fixture.now, "it is not to be made anew");
  });

  it("lets whoever asks for an entry that is being made wait for it", async () => {
    const fixture = new Fixture();
    const { promise, resolve } = Promise.withResolvers<NextCacheEntry>();
    const set = fixture.handler.set("page", promise);
    const got = fixture.handler.get("page", []).then(textOf);
    resolve(fixture.entry("made"));
    assert.equal(await got, "made");
    await set;
  });

  it("keeps nothing of an entry that could not be made, and those who waited find nothing", async () => {
    const fixture = new Fixture();
    const { promise, reject } = Promise.withResolvers<NextCacheEntry>();
    const set = fixture.handler.set("page", promise);
    const got = fixture.handler.get("page", []);
    reject(new Error("the render failed"));
    await set;
    assert.equal(await got, undefined);
    const broken = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new Error("cut off")) });
    await fixture.set("page", "", { value: broken });
    assert.equal(await fixture.handler.get("page", []), undefined);
  });

  it("tells Next.js of a cache that fails", async () => {
    const cache = new CompressedCache({ maxBytes: "8MiB" });
    const handler = nextCacheHandler(cache);
    cache.close();
    const entry = Promise.resolve(new Fixture().entry("text", { timestamp: Date.now() }));
    await assert.rejects(handler.set("page", entry), { code: "ECLOSED" });
  });

  it("a revalidated tag takes its entries, in every thread, and those made later stay", async () => {
    const fixture = new Fixture();
    const other = fixture.another();
    await fixture.set("a", "1", { tags: ["x", "y"] });
    await fixture.set("b", "2", { tags: ["z"] });
    fixture.now += 10;
    await other.updateTags(["y"]);
    await fixture.handler.refreshTags();
    assert.equal(await fixture.handler.get("a", []), undefined);
    assert.equal(await other.get("a", []), undefined);
    assert.equal(await textOf(await fixture.handler.get("b", [])), "2");
    assert.equal(await fixture.handler.getExpiration(["y", "z"]), fixture.now);
    assert.ok((await fixture.handler.getExpiration(["z"])) < fixture.now);
    await fixture.set("a", "anew", { tags: ["x", "y"] });
    assert.equal(await textOf(await other.get("a", [])), "anew");
  });

  it("soft tags, those of the path, count as well", async () => {
    const fixture = new Fixture();
    await fixture.set("a", "1");
    fixture.now += 10;
    await fixture.handler.updateTags(["_N_T_/path"]);
    assert.equal(await fixture.handler.get("a", ["_N_T_/path"]), undefined);
    assert.equal(await textOf(await fixture.handler.get("a", ["_N_T_/else"])), "1");
  });

  it("with a duration, entries are stale at once and gone when it is over", async () => {
    const fixture = new Fixture();
    await fixture.set("a", "1", { tags: ["x"] });
    fixture.now += 10;
    await fixture.handler.updateTags(["x"], { expire: 60 });
    const stale = await fixture.handler.get("a", []);
    assert.equal(stale?.revalidate, -1);
    assert.equal(await textOf(stale), "1");
    fixture.now += 10;
    await fixture.set("b", "made since", { tags: ["x"] });
    assert.equal((await fixture.handler.get("b", []))?.revalidate, 60);
    fixture.now += 60_000;
    assert.equal(await fixture.handler.get("a", []), undefined);
    assert.equal(await textOf(await fixture.handler.get("b", [])), "made since");
  });

  it("with durations that have no end, entries are stale for as long as they may be used", async () => {
    for (const durations of [{}, { expire: Number.POSITIVE_INFINITY }]) {
      const fixture = new Fixture();
      await fixture.set("a", "1", { tags: ["x"], expire: 4_294_967_294 });
      fixture.now += 10;
      await fixture.handler.updateTags(["x"], durations);
      fixture.now += 365 * 86_400_000;
      for (const thread of [fixture.handler, fixture.another()]) {
        const stale = await thread.get("a", []);
        assert.equal(stale?.revalidate, -1, JSON.stringify(durations));
        assert.equal(await textOf(stale), "1");
      }
    }
  });

  it("by Next.js's own clock, an entry made just before a revalidation is gone, and one made just after is not", async () => {
    const fixture = new Fixture();
    const handler = nextCacheHandler(testCache());
    const nextTime = () => performance.timeOrigin + performance.now();
    const entry = (text: string) =>
      Promise.resolve(fixture.entry(text, { tags: ["x"], timestamp: nextTime() }));
    for (let i = 0; i < 100; i++) {
      await handler.set("a", entry("before"));
      await handler.updateTags(["x"]);
      assert.equal(await handler.get("a", []), undefined);
      await handler.set("a", entry("after"));
      assert.equal(await textOf(await handler.get("a", [])), "after");
    }
  });

  it("nothing is given for longer than the strictest revalidation allows, in whatever order they come", async () => {
    for (const order of [
      [0, 60],
      [60, 0],
      [600, 60],
      [60, 600],
    ]) {
      const fixture = new Fixture();
      await fixture.set("a", "1", { tags: ["x"] });
      const threads = [fixture.handler, fixture.another()];
      for (const [thread, expire] of order.entries()) {
        fixture.now += 10;
        await threads[thread].updateTags(["x"], { expire });
      }
      fixture.now += Math.min(...order) * 1000;
      for (const thread of threads) {
        await thread.refreshTags();
        assert.equal(await thread.get("a", []), undefined, String(order));
      }
    }
  });

  it("what one thread revalidates is gone in others, however many and long the tags are", async () => {
    for (const [count, length] of [
      [10_000, 60],
      [4000, 256],
      [30_000, 20],
    ]) {
      const fixture = new Fixture();
      const other = fixture.another();
      const tags = Array.from({ length: count }, (_, i) => `tag ${i} `.padEnd(length, "x"));
      const looked = tags.filter((_, i) => i % 97 === 0);
      for (const tag of looked) await fixture.set(tag, "1", { tags: [tag] });
      await fixture.set("kept", "1", { tags: ["kept"] });
      fixture.now += 10;
      for (let at = 0; at < count; at += 1000) {
        await fixture.handler.updateTags(tags.slice(at, at + 1000));
        fixture.now += 1;
      }
      for (const thread of [other, fixture.another()]) {
        for (const tag of looked) assert.equal(await thread.get(tag, []), undefined, tag);
        if (count <= 10_000) assert.equal(await textOf(await thread.get("kept", [])), "1");
      }
    }
  });

  it("answers what Next.js 15 calls", async () => {
    const fixture = new Fixture();
    await fixture.set("a", "1", { tags: ["x"] });
    fixture.now += 10;
    await fixture.handler.expireTags("x", "y");
    assert.equal(await fixture.handler.get("a", []), undefined);
    assert.equal(await fixture.handler.getExpiration("x", "z"), fixture.now);
  });

  it("an entry that is over when it comes is not kept, and the one before it is gone", async () => {
    const fixture = new Fixture();
    for (const late of [
      { expire: 0 },
      { expire: -1 },
      { expire: Number.NaN },
      { expire: 5, timestamp: START },
    ]) {
      await fixture.set("a", "old");
      fixture.now += 10_000;
      await fixture.set("a", "new", late);
      assert.equal(await fixture.handler.get("a", []), undefined, JSON.stringify(late));
      assert.ok(!fixture.cache.has("next entry a"));
    }
  });

  it("an entry too large for the cache is not kept, and the one before it is gone", async () => {
    const fixture = new Fixture();
    await fixture.set("a", "old");
    await fixture.set("a", tooLarge(fixture.cache));
    assert.equal(await fixture.handler.get("a", []), undefined);
  });
});

/** The cache as a handler sees it, with something that happens before each of its calls. */
function hooked(
  cache: CompressedCache,
  before: (call: "get" | "set" | "delete", key: unknown) => void,
): AnyCache {
  const call = (name: "get" | "set" | "delete") => {
    return (...args: unknown[]): unknown => {
      before(name, args[0]);
      return (cache[name] as (...args: unknown[]) => unknown)(...args);
    };
  };
  const getAsync = (key: string): Promise<unknown> => cache.getAsync(key);
  return { get: call("get"), set: call("set"), delete: call("delete"), getAsync } as unknown as AnyCache;
}

/** Tags that have a record together with the tag "x". */
const TAGS: readonly string[] = tagsBeside("x", 4);

function tagsBeside(tag: string, count: number): string[] {
  const written: unknown[] = [];
  const cache = testCache();
  const handler = nextCacheHandler(hooked(cache, (call, key) => call === "set" && written.push(key)));
  const recordOf = (name: string): unknown => {
    written.length = 0;
    void handler.updateTags([name]);
    return written.at(-1);
  };
  const record = recordOf(tag);
  const found: string[] = [];
  for (let i = 0; found.length < count; i++) if (recordOf(`other ${i}`) === record) found.push(`other ${i}`);
  return found;
}

/** A thread that revalidates, and stops before its call of the cache number `at` until `meanwhile` has run. */
class Stalling extends Fixture {
  calls = 0;
  at: number = Number.POSITIVE_INFINITY;
  meanwhile: (call: string, key: unknown) => void = () => {};
  readonly stalling: NextCacheHandler;

  constructor() {
    super();
    const cache = hooked(this.cache, (call, key) => {
      if (this.calls++ === this.at) this.meanwhile(call, key);
    });
    this.stalling = nextCacheHandler(cache, { clock: () => this.now });
  }

  async fill(): Promise<void> {
    await this.set("x", "1", { tags: ["x"] });
    for (const tag of TAGS) await this.set(tag, "1", { tags: [tag] });
    this.now += 10;
    this.calls = 0;
  }

  async revalidate(at: number, meanwhile: (call: string, key: unknown) => void): Promise<void> {
    this.at = at;
    this.meanwhile = meanwhile;
    await this.stalling.updateTags(["x"]);
    assert.ok(this.calls > at, "it was stopped");
  }

  /** Neither thread gives what was revalidated, and what is made now is kept. */
  async check(what: string, tags: readonly string[]): Promise<void> {
    for (const thread of [this.handler, this.another()]) {
      for (const tag of ["x", ...tags]) assert.equal(await thread.get(tag, []), undefined, `${what}: ${tag}`);
    }
    this.now += 10;
    await this.set("new", "1", { tags: ["x", ...TAGS] });
    assert.equal(await textOf(await this.handler.get("new", [])), "1", what);
  }
}

describe("the handler of Next.js, between processes whose clocks differ", () => {
  /** A process; `ahead` is what the machine's clock was ahead of the first process's when this one started. */
  class Process {
    readonly handler: NextCacheHandler;
    readonly #fixture: Fixture;
    readonly #ahead: number;

    constructor(fixture: Fixture, ahead: number) {
      this.#fixture = fixture;
      this.#ahead = ahead;
      this.handler = handlerWith(
        fixture.cache,
        "next ",
        () => this.now,
        () => fixture.now - START,
      );
    }

    get now(): number {
      return this.#fixture.now + this.#ahead;
    }

    set(key: string, overrides: Partial<NextCacheEntry> = {}): Promise<void> {
      const entry = this.#fixture.entry("text", { timestamp: this.now, tags: ["x"], ...overrides });
      return this.handler.set(key, Promise.resolve(entry));
    }

    async has(key: string): Promise<boolean> {
      return (await this.handler.get(key, ["soft"])) !== undefined;
    }
  }

  const DAY = 86_400_000;
  for (const ahead of [-3 * DAY, -3_600_000, -100, 0, 100, 900, 3_600_000, 3 * DAY]) {
    it(`one is ahead by ${ahead} ms`, async () => {
      const fixture = new Fixture();
      const one = new Process(fixture, 0);
      await one.set("old");
      const other = new Process(fixture, ahead);
      for (const [here, there] of [
        [one, other],
        [other, one],
      ]) {
        for (const tag of ["x", "soft"]) {
          fixture.now += 10;
          await here.set("a", { stale: 5, revalidate: 60 });
          const { timestamp } = (await there.handler.get("a", []))!;
          assert.ok(Math.abs(timestamp - there.now) < 0.01, "it has the age that it has");
          fixture.now += 10;
          await there.handler.updateTags([tag]);
          for (const process of [here, there]) {
            assert.ok(!(await process.has("a")), `${tag} was revalidated`);
            const expiration = await process.handler.getExpiration(["x", "soft"]);
            assert.ok(Math.abs(expiration - process.now) < 0.01);
          }
          fixture.now += 10;
          await here.set("a");
          assert.ok((await here.has("a")) && (await there.has("a")), "what was made since stays");
        }
      }
      fixture.now += 3_600_000;
      assert.ok(!(await one.has("a")) && !(await other.has("a")), "its time is over for both");
    });
  }

  it("what they agree on may be evicted, or damaged", async () => {
    for (const damage of [undefined, "text", -1e300, 1e300, 1]) {
      const fixture = new Fixture();
      const one = new Process(fixture, 0);
      const other = new Process(fixture, -5000);
      await other.set("a");
      if (damage === undefined) fixture.cache.delete("next clock");
      else fixture.cache.set("next clock", damage);
      fixture.now += 10;
      await other.handler.updateTags(["x"]);
      assert.ok(!(await one.has("a")), String(damage));
      await one.set("b");
      fixture.now += 10;
      await new Process(fixture, -2500).handler.updateTags(["x"]);
      assert.ok(!(await one.has("b")) && !(await other.has("b")), String(damage));
    }
  });

  it("after the machine was started anew, what a saved cache has is older than all that comes", async () => {
    const fixture = new Fixture();
    const one = new Process(fixture, 0);
    await one.set("a");
    fixture.now += 10;
    // Its steady clock begins anew; its time goes on.
    const uptime = fixture.now;
    const again = handlerWith(
      fixture.cache,
      "next ",
      () => fixture.now,
      () => fixture.now - uptime,
    );
    assert.equal(await textOf(await again.get("a", [])), "text");
    await again.updateTags(["x"]);
    assert.equal(await again.get("a", []), undefined);
  });
});

/** Calls of the cache in one update that nothing comes between. */
const CALLS = 7;

describe("tags of Next.js, between threads", () => {
  it("a revalidation has as many calls as the tests below stop it at", async () => {
    const fixture = new Stalling();
    await fixture.fill();
    await fixture.stalling.updateTags(["x"]);
    assert.equal(fixture.calls, CALLS);
    for (const tag of TAGS) assert.equal(await textOf(await fixture.handler.get(tag, [])), "1", tag);
  });

  it("a thread that stops anywhere in a revalidation undoes none of another thread's", async () => {
    for (let at = 0; at < CALLS; at++) {
      const fixture = new Stalling();
      await fixture.fill();
      await fixture.revalidate(at, () => void fixture.handler.updateTags([...TAGS]));
      await fixture.check(`stopped at ${at}`, TAGS);
    }
  });

  it("nor do two, one within the other", async () => {
    for (let at = 0; at < CALLS; at++) {
      for (let inner = 0; inner < CALLS; inner++) {
        const fixture = new Stalling();
        await fixture.fill();
        let calls = 0;
        const [mine, its] = [TAGS.slice(0, 2), TAGS.slice(2)];
        const between = hooked(fixture.cache, () => {
          if (calls++ === inner) void fixture.handler.updateTags(its);
        });
        const other = nextCacheHandler(between, { clock: () => fixture.now });
        calls = 0;
        await fixture.revalidate(at, () => void other.updateTags(mine));
        await fixture.check(`stopped at ${at} and ${inner}`, TAGS);
      }
    }
  });

  it("a thread that looks while another is in the middle of it waits for nobody, and gives nothing afterwards", async () => {
    for (let at = 0; at < CALLS; at++) {
      const fixture = new Stalling();
      await fixture.fill();
      await fixture.revalidate(at, () => void fixture.handler.getExpiration(["x", ...TAGS]));
      await fixture.check(`stopped at ${at}`, []);
    }
  });

  it("a thread that makes a lost record anew does not undo what is revalidated meanwhile", async () => {
    for (let at = 0; at <= CALLS; at++) {
      const fixture = new Stalling();
      await fixture.fill();
      await fixture.set("late", "1", { tags: ["x"], timestamp: fixture.now + 5 });
      for (const key of [...fixture.cache.keys()])
        if (String(key).startsWith("next tags")) fixture.cache.delete(key);
      fixture.at = at;
      fixture.meanwhile = () => {
        fixture.now += 10;
        void fixture.handler.updateTags(["x"]);
      };
      fixture.calls = 0;
      await fixture.stalling.getExpiration(["x"]);
      if (at < CALLS) await fixture.check(`stopped at ${at}`, ["late"]);
      else assert.equal(fixture.calls, CALLS, "the loop has every call");
    }
  });

  it("a record that is evicted at any time counts as revalidated", async () => {
    for (let at = 0; at < CALLS; at++) {
      for (const lost of ["next tags", "next tags turn", "next tags seal"]) {
        const fixture = new Stalling();
        await fixture.fill();
        await fixture.revalidate(at, () => {
          for (const key of [...fixture.cache.keys()])
            if (String(key).startsWith(lost)) fixture.cache.delete(key);
        });
        await fixture.check(`${lost} lost at ${at}`, []);
      }
    }
    const fixture = new Fixture();
    await fixture.set("a", "1", { tags: ["x"] });
    fixture.now += 10;
    await fixture.another().updateTags(["x"]);
    for (const key of [...fixture.cache.keys()])
      if (String(key).startsWith("next tags")) fixture.cache.delete(key);
    fixture.now += 10;
    for (const thread of [fixture.handler, fixture.another()])
      assert.equal(await thread.get("a", []), undefined);
  });

  it("a record that the cache refuses counts as revalidated, for as long as it does", async () => {
    for (const result of ["ENOMEM", "E2BIG"] as const) {
      for (const refused of ["next tags turn", "next tags seal", /next tags \d/]) {
        let refuses = false;
        const fixture = new Fixture();
        const { cache } = fixture;
        const set = cache.set.bind(cache);
        cache.set = (key, value, options) => {
          const isIt =
            typeof refused === "string" ? String(key).startsWith(refused) : refused.test(String(key));
          if (!refuses || !isIt) return set(key, value, options);
          cache.delete(key);
          return result;
        };
        await fixture.set("a", "1", { tags: ["x"] });
        fixture.now += 10;
        refuses = true;
        await fixture.handler.updateTags(["x"]);
        for (const thread of [fixture.handler, fixture.another()]) {
          assert.equal(await thread.get("a", []), undefined);
          assert.equal(await thread.getExpiration(["x"]), Number.POSITIVE_INFINITY);
        }
        refuses = false;
        fixture.now += 10;
        assert.equal(await fixture.handler.get("a", []), undefined);
        await fixture.set("a", "anew", { tags: ["x"] });
        assert.equal(await textOf(await fixture.another().get("a", [])), "anew");
      }
    }
  });

  it("a record that no handler wrote counts as lost, and an entry is an error", async () => {
    const doubles = (...numbers: number[]): Uint8Array => new Uint8Array(Float64Array.of(...numbers).buffer);
    const late = START + 10 ** 9;
    for (const [damaged, seal] of [
      ["{}", 1],
      [null, 1],
      [new Uint8Array(8), 0],
      [new Uint8Array(17), 0],
      [new Uint8Array(2 ** 19), 0],
      [doubles(Number.NaN, 0), null],
      [doubles(1, Number.NaN), 1],
      [doubles(1, -1), 1],
      [doubles(1, late), 1],
      [doubles(1, 0, 1, 2, 3), 1],
      [doubles(1, 0, 1, Number.NaN, 0, 0), 1],
      [doubles(1, 0, 1, 0, late, 0), 1],
      [doubles(1, 0, 1, 0, 0, Number.NaN), 1],
      [doubles(1, 0), "1"],
      [doubles(1, 0), undefined],
    ]) {
      const fixture = new Fixture();
      await fixture.set("a", "1", { tags: ["x"] });
      fixture.now += 10;
      for (let i = 0; i < 64; i++) {
        fixture.cache.set(`next tags ${i}`, damaged);
        fixture.cache.set(`next tags seal ${i}`, seal);
      }
      assert.equal(await fixture.handler.get("a", []), undefined);
      await fixture.set("a", "anew", { tags: ["x"], timestamp: fixture.now + 1 });
      assert.equal(await textOf(await fixture.another().get("a", [])), "anew");
    }
    const fixture = new Fixture();
    const whole = { tags: [], stale: 1, timestamp: fixture.now, expire: 1, revalidate: 1 };
    for (const header of [
      null,
      [],
      1,
      { ...whole, tags: "x" },
      { ...whole, tags: [1] },
      { ...whole, expire: null },
    ]) {
      fixture.cache.set("next entry a", pack(header, []));
      await assert.rejects(fixture.handler.get("a", []), { code: "EBADMSG" });
    }
  });
});
