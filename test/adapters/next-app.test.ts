/** The handler inside a real Next.js: the example's app, built, served and asked over HTTP. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { CacheStats } from "../../src/cache/index.ts";
import { removeShared } from "../../src/memory/index.ts";
import { until } from "../support/until.ts";
import { NextApp, type Program } from "./next-app.ts";

const PATIENCE_MS = 60_000;
/** What Next.js puts before a warning or an error, and what Node says. */
const COMPLAINT = /⚠|⨯|warning|error/i;

/** Which render of a category's products a server gives: one that came from the cache is one that there was. */
async function renderOf(address: string, category: string): Promise<string> {
  const response = await fetch(`${address}/?category=${category}`);
  const text = await response.text();
  const [, render] = /<ul data-render="([\w-]+)"/.exec(text) ?? [];
  assert.ok(render !== undefined && text.includes(`${category} number 199`), text.slice(0, 2000));
  return render;
}

async function revalidate(address: string, query: string): Promise<void> {
  const { status } = await fetch(`${address}/revalidate?${query}`, { method: "POST" });
  assert.equal(status, 204);
}

async function statsOf(address: string): Promise<CacheStats> {
  return (await (await fetch(`${address}/cache`)).json()) as CacheStats;
}

describe("a Next.js app with the handler", () => {
  const app = new NextApp();
  let builder: Program;
  before(async () => {
    builder = await app.build();
  });
  after(() => app.remove());

  /** Runs a server until `use` has returned, after which it must have complained of nothing. */
  async function withServer(
    program: Program,
    count: number,
    use: (...addresses: string[]) => Promise<void>,
  ): Promise<void> {
    try {
      await use(...(await program.addresses(count)));
    } catch (error) {
      console.log(program.said);
      throw error;
    } finally {
      await program.stop();
    }
  }

  it("is built without a complaint, and the package's files are found", () => {
    assert.doesNotMatch(builder.said, COMPLAINT);
    assert.match(builder.output, /◐ \/\n/, "the page is rendered in part for each request");
    const files = app.filesOfPackage();
    for (const file of ["adapters/next.js", "cache/index.js", "cache/train-dictionary.js"]) {
      assert.ok(files.has(`dist/${file}`), `a container would be without dist/${file}`);
    }
  });

  it("renders once, and is revalidated by tag and by path, at once or behind one more reader", async () => {
    const server = app.start();
    await withServer(server, 1, async (address) => {
      const coffee = await renderOf(address, "coffee");
      const made = await statsOf(address);
      assert.ok(made.storedBytes < made.originalBytes / 2, "it is compressed");
      assert.equal(await renderOf(address, "coffee"), coffee);
      const found = await statsOf(address);
      assert.equal(found.sets, made.sets, "nothing was made anew");
      assert.ok(found.hits > made.hits, "it was found in the cache");
      const tea = await renderOf(address, "tea");
      assert.equal((await statsOf(address)).entries, made.entries + 1);

      await revalidate(address, "tag=products+coffee&now");
      const second = await renderOf(address, "coffee");
      assert.notEqual(second, coffee);
      assert.equal(await renderOf(address, "coffee"), second);
      assert.equal(await renderOf(address, "tea"), tea);

      await revalidate(address, "tag=products");
      assert.equal(await renderOf(address, "coffee"), second, "stale, while it is made anew");
      let third = second;
      const isAnew = async (): Promise<boolean> => {
        third = await renderOf(address, "coffee");
        return third !== second;
      };
      await until("it is made anew", isAnew, { patienceMs: PATIENCE_MS, everyMs: 20 });
      assert.equal(await renderOf(address, "coffee"), third);

      await revalidate(address, "path=/");
      const fourth = await renderOf(address, "coffee");
      assert.notEqual(fourth, third);
      assert.equal(await renderOf(address, "coffee"), fourth);
    });
    assert.doesNotMatch(server.said, COMPLAINT);
  });

  it("an error of what is cached is told once, and not kept", async () => {
    const server = app.start();
    await withServer(server, 1, async (address) => {
      const { sets } = await statsOf(address);
      for (let round = 1; round <= 2; round++) {
        const text = await (await fetch(`${address}/?category=milk`)).text();
        assert.match(text, /One moment/);
        assert.equal((await statsOf(address)).sets, sets);
      }
      await renderOf(address, "coffee");
    });
    assert.equal(server.said.match(/Error: the shop has no milk/g)?.length, 2, server.said);
  });

  it("a process that starts anew begins with an empty cache", async () => {
    const renders: string[] = [];
    for (let round = 0; round < 2; round++) {
      const server = app.start();
      await withServer(server, 1, async (address) => void renders.push(await renderOf(address, "tea")));
      assert.doesNotMatch(server.said, COMPLAINT);
    }
    assert.notEqual(renders[0], renders[1]);
  });

  it("processes share what each renders and revalidates, and one that starts later finds all of it", async () => {
    const name = join(app.folder, "shared-cache");
    let coffee = "";
    let tea = "";
    const first = app.start(name);
    const second = app.start(name);
    await withServer(first, 1, (one) =>
      withServer(second, 1, async (other) => {
        coffee = await renderOf(one, "coffee");
        assert.equal(await renderOf(other, "coffee"), coffee);
        await revalidate(other, "tag=products+coffee&now");
        const anew = await renderOf(one, "coffee");
        assert.notEqual(anew, coffee);
        assert.equal(await renderOf(other, "coffee"), anew);
        await revalidate(one, "path=/");
        coffee = await renderOf(other, "coffee");
        assert.notEqual(coffee, anew);
        assert.equal(await renderOf(one, "coffee"), coffee);
        tea = await renderOf(other, "tea");
        assert.equal(await renderOf(one, "tea"), tea);
        await revalidate(one, "tag=products+tea&now");
      }),
    );
    const third = app.start(name);
    await withServer(third, 1, async (address) => {
      assert.equal(await renderOf(address, "coffee"), coffee);
      assert.notEqual(await renderOf(address, "tea"), tea, "it was revalidated by a process that is gone");
    });
    for (const { said } of [first, second, third]) assert.doesNotMatch(said, COMPLAINT);
    // It would be refused if a process still had it.
    assert.equal(removeShared(name), true);
  });

  it("threads share what each renders and revalidates, and a saved cache has it all after a restart", async () => {
    let coffee = "";
    let tea = "";
    const first = app.startThreads();
    await withServer(first, 2, async (one, other) => {
      coffee = await renderOf(one, "coffee");
      assert.equal(await renderOf(other, "coffee"), coffee);
      await revalidate(other, "tag=products&now");
      const second = await renderOf(one, "coffee");
      assert.notEqual(second, coffee);
      assert.equal(await renderOf(other, "coffee"), second);
      coffee = second;
      tea = await renderOf(other, "tea");
      assert.equal(await renderOf(one, "tea"), tea);
      await revalidate(one, "tag=products+tea&now");
    });
    assert.doesNotMatch(first.said, COMPLAINT);

    const again = app.startThreads();
    await withServer(again, 2, async (one, other) => {
      assert.equal(await renderOf(one, "coffee"), coffee);
      assert.equal(await renderOf(other, "coffee"), coffee);
      assert.notEqual(await renderOf(one, "tea"), tea, "it was revalidated before the restart");
    });
    assert.doesNotMatch(again.said, COMPLAINT);
  });
});
