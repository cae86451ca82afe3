/** The handler of Next.js's cacheHandlers, called as Next.js does, in one thread and over several handlers. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type NextCacheEntry, type NextCacheHandler, nextCacheHandler } from "../../src/adapters/next.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { testCache, tooLarge } from "./caches.ts";

const START = 1_700_000_000_000;

/** A handler over a cache, both with one clock that the test moves. */
class Stage {
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
    const stage = new Stage();
    assert.equal(await stage.handler.get("none", []), undefined);
    const text = "<p>ünïcode</p>".repeat(5000);
    const made = { tags: ["a", "b"], stale: 5, expire: 100, revalidate: 10, timestamp: stage.now };
    await stage.set("page", text, made);
    for (let round = 0; round < 2; round++) {
      const found = await stage.handler.get("page", []);
      assert.equal(await textOf(found), text);
      assert.deepEqual({ ...found, value: 0 }, { ...made, value: 0 });
    }
    assert.ok(stage.cache.stats().storedBytes < text.length / 10, "it is compressed");
  });

  it("keeps an entry past its revalidate, for Next.js to make it anew, and not past its expire", async () => {
    const stage = new Stage();
    await stage.set("page", "text", { revalidate: 60, expire: 3600 });
    stage.now += 3_599_000;
    assert.equal(await textOf(await stage.handler.get("page", [])), "text");
    stage.now += 1000;
    assert.equal(await stage.handler.get("page", []), undefined);
    await stage.set("endless", "text", { expire: 4_294_967_294, timestamp: stage.now });
    stage.now += 10 * 365 * 86_400_000;
    assert.equal(await textOf(await stage.handler.get("endless", [])), "text");
    const forever = Number.POSITIVE_INFINITY;
    await stage.set("forever", "text", { stale: forever, revalidate: forever, expire: forever });
    stage.now += 10 * 365 * 86_400_000;
    const found = await stage.handler.get("forever", []);
    assert.equal(await textOf(found), "text");
    assert.ok(found!.timestamp + found!.revalidate * 1000 > stage.now, "it is not to be made anew");
  });

  it("lets whoever asks for an entry that is being made wait for it", async () => {
    const stage = new Stage();
    const { promise, resolve } = Promise.withResolvers<NextCacheEntry>();
    const set = stage.handler.set("page", promise);
    const got = stage.handler.get("page", []).then(textOf);
    resolve(stage.entry("made"));
    assert.equal(await got, "made");
    await set;
  });

  it("keeps nothing of an entry that could not be made, and those who waited find nothing", async () => {
    const stage = new Stage();
    const { promise, reject } = Promise.withResolvers<NextCacheEntry>();
    const set = stage.handler.set("page", promise);
    const got = stage.handler.get("page", []);
    reject(new Error("the render failed"));
    await set;
    assert.equal(await got, undefined);
    const broken = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new Error("cut off")) });
    await stage.set("page", "", { value: broken });
    assert.equal(await stage.handler.get("page", []), undefined);
  });

  it("tells Next.js of a cache that fails", async () => {
    const cache = new CompressedCache({ maxBytes: "8MiB" });
    const handler = nextCacheHandler(cache);
    cache.close();
    const entry = Promise.resolve(new Stage().entry("text", { timestamp: Date.now() }));
    await assert.rejects(handler.set("page", entry), { code: "ECLOSED" });
  });

  it("a revalidated tag takes its entries, in every thread, and those made later stay", async () => {
    const stage = new Stage();
    const other = stage.another();
    await stage.set("a", "1", { tags: ["x", "y"] });
    await stage.set("b", "2", { tags: ["z"] });
    stage.now += 10;
    await other.updateTags(["y"]);
    await stage.handler.refreshTags();
    assert.equal(await stage.handler.get("a", []), undefined);
    assert.equal(await other.get("a", []), undefined);
    assert.equal(await textOf(await stage.handler.get("b", [])), "2");
    assert.equal(await stage.handler.getExpiration(["y", "z"]), stage.now);
    assert.ok((await stage.handler.getExpiration(["z"])) < stage.now);
    await stage.set("a", "anew", { tags: ["x", "y"] });
    assert.equal(await textOf(await other.get("a", [])), "anew");
  });

  it("soft tags, those of the path, count as well", async () => {
    const stage = new Stage();
    await stage.set("a", "1");
    stage.now += 10;
    await stage.handler.updateTags(["_N_T_/path"]);
    assert.equal(await stage.handler.get("a", ["_N_T_/path"]), undefined);
    assert.equal(await textOf(await stage.handler.get("a", ["_N_T_/else"])), "1");
  });

  it("with a duration, entries are stale at once and gone when it is over", async () => {
    const stage = new Stage();
    await stage.set("a", "1", { tags: ["x"] });
    stage.now += 10;
    await stage.handler.updateTags(["x"], { expire: 60 });
    const stale = await stage.handler.get("a", []);
    assert.equal(stale?.revalidate, -1);
    assert.equal(await textOf(stale), "1");
    stage.now += 10;
    await stage.set("b", "made since", { tags: ["x"] });
    assert.equal((await stage.handler.get("b", []))?.revalidate, 60);
    stage.now += 60_000;
    assert.equal(await stage.handler.get("a", []), undefined);
    assert.equal(await textOf(await stage.handler.get("b", [])), "made since");
  });

  it("with durations that have no end, entries are stale for as long as they may be used", async () => {
    for (const durations of [{}, { expire: Number.POSITIVE_INFINITY }]) {
      const stage = new Stage();
      await stage.set("a", "1", { tags: ["x"], expire: 4_294_967_294 });
      stage.now += 10;
      await stage.handler.updateTags(["x"], durations);
      stage.now += 365 * 86_400_000;
      for (const thread of [stage.handler, stage.another()]) {
        const stale = await thread.get("a", []);
        assert.equal(stale?.revalidate, -1, JSON.stringify(durations));
        assert.equal(await textOf(stale), "1");
      }
    }
  });

  it("by Next.js's own clock, an entry made just before a revalidation is gone, and one made just after is not", async () => {
    const stage = new Stage();
    const handler = nextCacheHandler(testCache());
    const nextTime = () => performance.timeOrigin + performance.now();
    const entry = (text: string) =>
      Promise.resolve(stage.entry(text, { tags: ["x"], timestamp: nextTime() }));
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
      const stage = new Stage();
      await stage.set("a", "1", { tags: ["x"] });
      const threads = [stage.handler, stage.another()];
      for (const [thread, expire] of order.entries()) {
        stage.now += 10;
        await threads[thread].updateTags(["x"], { expire });
      }
      stage.now += Math.min(...order) * 1000;
      for (const thread of threads) {
        await thread.refreshTags();
        assert.equal(await thread.get("a", []), undefined, String(order));
      }
    }
  });

  it("two threads that write at once both have their say in the end", async () => {
    const stage = new Stage();
    const other = stage.another();
    await stage.set("a", "1", { tags: ["x"] });
    await stage.set("b", "2", { tags: ["y"] });
    stage.now += 10;
    const before = stage.cache.get("next tags");
    await stage.handler.updateTags(["x"]);
    // The other one had read the record before, and writes over it.
    stage.cache.set("next tags", before);
    await other.updateTags(["y"]);
    await stage.handler.refreshTags();
    await other.refreshTags();
    for (const thread of [stage.handler, other]) {
      assert.equal(await thread.get("a", []), undefined);
      assert.equal(await thread.get("b", []), undefined);
    }
  });

  it("a thread that starts after the tags were lost gives nothing made before", async () => {
    const stage = new Stage();
    await stage.set("a", "1", { tags: ["x"] });
    stage.now += 10;
    stage.cache.delete("next tags");
    const late = stage.another();
    assert.equal(await late.get("a", []), undefined);
    await stage.handler.refreshTags();
    assert.equal(await stage.handler.get("a", []), undefined);
  });

  it("ten thousand tags later, the first one's revalidation still counts", async () => {
    const stage = new Stage();
    await stage.set("a", "1", { tags: ["first"] });
    stage.now += 10;
    await stage.handler.updateTags(["first"]);
    stage.now += 10;
    await stage.handler.updateTags(Array.from({ length: 10_001 }, (_, i) => `tag ${i}`));
    assert.equal(await stage.handler.get("a", []), undefined);
    assert.equal(await stage.another().get("a", []), undefined);
  });

  it("answers what Next.js 15 calls", async () => {
    const stage = new Stage();
    await stage.set("a", "1", { tags: ["x"] });
    stage.now += 10;
    await stage.handler.expireTags("x", "y");
    assert.equal(await stage.handler.get("a", []), undefined);
    assert.equal(await stage.handler.getExpiration("x", "z"), stage.now);
  });

  it("an entry too large for the cache is not kept, and the one before it is gone", async () => {
    const stage = new Stage();
    await stage.set("a", "old");
    await stage.set("a", tooLarge(stage.cache));
    assert.equal(await stage.handler.get("a", []), undefined);
  });
});
