/** Loads that are asked for by loaders: who merely joins gets the value, what waits for itself is told so. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { CompressedCache } from "../../src/cache/index.ts";

/** Behind a real timer, whose callback is another one's for the platform: contexts must come through. */
const timer = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

function open() {
  const cache = new CompressedCache<string>({ maxBytes: "4MiB" });
  return { cache, other: CompressedCache.attach<string>(cache.share()) };
}

describe("a load that is joined from inside its loader", { timeout: 20_000 }, () => {
  it("in its synchronous part, by an event listener: the joiner gets the value", async () => {
    const { cache } = open();
    const events = new EventEmitter();
    const joined: Promise<string>[] = [];
    events.on("loading", () => joined.push(cache.getOrSet("a", () => assert.fail("not called"))));
    events.on("loading", async () => await cache.getOrSet("a", () => assert.fail("not called")));
    assert.equal(
      await cache.getOrSet("a", () => {
        events.emit("loading");
        return "loaded";
      }),
      "loaded",
    );
    assert.deepEqual(await Promise.all(joined), ["loaded"]);
  });

  it("later, by a listener, however long the load takes: the joiner gets the value", async () => {
    const { cache } = open();
    const events = new EventEmitter();
    const joined: string[] = [];
    events.on("loading", async () => joined.push(await cache.getOrSet("a", () => assert.fail("not called"))));
    const loaded = await cache.getOrSet("a", async () => {
      await turn();
      events.emit("loading");
      for (let turns = 0; turns < 50; turns++) await turn();
      return "loaded";
    });
    assert.equal(loaded, "loaded");
    await turn();
    assert.deepEqual(joined, ["loaded"]);
  });

  type Inner = () => Promise<string>;
  const hasContexts = Number.parseInt(process.versions.node, 10) >= 24;
  const WAYS: [string, (inner: Inner) => Promise<unknown>, boolean?][] = [
    ["returned as it is", (inner) => inner()],
    ["returned by an async function", async (inner) => inner()],
    ["awaited", async (inner) => await inner()],
    [
      "awaited in try",
      async (inner) => {
        try {
          return await inner();
        } finally {
          await turn();
        }
      },
    ],
    ["awaited by a function that is awaited", async (inner) => await (async () => `${await inner()}!`)()],
    ["awaited with a step after it", (inner) => inner().then((value) => `${value}!`)],
    ["awaited among others", (inner) => Promise.all([turn(), inner()])],
    [
      "awaited later",
      async (inner) => {
        const promise = inner();
        await timer();
        return await promise;
      },
    ],
    [
      "called after a pause",
      async (inner) => {
        await turn();
        return await inner();
      },
      true,
    ],
    [
      "called after a timer",
      async (inner) => {
        await timer();
        return await inner();
      },
      true,
    ],
  ];
  for (const [name, way, later] of WAYS) {
    const skip = later === true && !hasContexts;
    it(`that waits for itself, ${name}, says so and names the key`, { skip }, async () => {
      const { cache } = open();
      const inner: Inner = () => cache.getOrSet("my key", () => assert.fail("not called"));
      const loading = cache.getOrSet("my key", () => way(inner) as Promise<string>);
      await assert.rejects(loading, { code: "EDEADLK", message: /"my key" waits for itself/ });
      assert.equal(await cache.getOrSet("my key", () => "next"), "next");
    });

    it(`loads of two keys that wait for each other, ${name}`, { skip }, async () => {
      const { cache, other } = open();
      for (const second of [cache, other]) {
        const loading = cache.getOrSet("A", () => {
          return way(() => {
            return second.getOrSet("B", () => {
              return way(() => cache.getOrSet("A", () => assert.fail("not called"))) as Promise<string>;
            });
          }) as Promise<string>;
        });
        await assert.rejects(loading, { code: "EDEADLK", message: /"A".*"B"|"B".*"A"/ });
      }
    });
  }

  it("loads that begin apart and then wait for each other", { skip: !hasContexts }, async () => {
    const { cache } = open();
    const ask = (key: string, next: string) =>
      cache.getOrSet(key, async () => {
        await turn();
        return await cache.getOrSet(next, () => assert.fail("not called"));
      });
    const results = await Promise.allSettled([ask("A", "B"), ask("B", "C"), ask("C", "A")]);
    assert.ok(results.every(({ status, ...rest }) => status === "rejected" && "reason" in rest));
  });

  it("a loader that gets the error may do without", async () => {
    const { cache } = open();
    const loaded = await cache.getOrSet("a", async () => {
      try {
        return await cache.getOrSet("a", () => "not called");
      } catch (error) {
        return (error as { code: string }).code;
      }
    });
    assert.equal(loaded, "EDEADLK");
    assert.equal(cache.get("a"), "EDEADLK");
  });

  it("loads that need others' loads, many at a time, are no deadlock", async () => {
    const { cache } = open();
    const load = (n: number): Promise<string> =>
      cache.getOrSet(n, async () => {
        await turn();
        if (n < 2) return `${n}`;
        const [a, b] = await Promise.all([load(n - 1), load(n - 2)]);
        return `${Number(a) + Number(b)}`;
      });
    assert.equal(await load(30), "832040");
    assert.deepEqual(await Promise.all(Array.from({ length: 30 }, (_, i) => load(i)).slice(0, 3)), [
      "0",
      "1",
      "1",
    ]);
  });

  it("what a loader starts and leaves behind may wait for its key", async () => {
    const { cache } = open();
    let left: Promise<string> | undefined;
    await cache.getOrSet("a", () => {
      left = turn()
        .then(() => turn())
        .then(() => cache.getOrSet("a", () => "second"));
      return "first";
    });
    cache.delete("a");
    assert.equal(await left, "second");
  });
});
