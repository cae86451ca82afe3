/** Whoever opened a backing store closes it: a page store leaves it open, and says so if it was closed too early. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Backing, FileBacking, KeyvBacking, MemoryBacking } from "../../src/backing/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { makePage } from "./pages.ts";

const PAGE = 4096;
const PAGES = 400;
const into = new Uint8Array(PAGE);

const KINDS: Record<string, () => Backing | Promise<Backing>> = {
  file: () => FileBacking.open(freshPath(), { maxBytes: "4MiB" }),
  keyv: () => new KeyvBacking({ store: new Map() }),
  memory: () => new MemoryBacking(),
};

async function filled(backing: Backing): Promise<PageStore> {
  const store = new PageStore({ maxBytes: "256KiB", backing });
  for (let i = 0; i < PAGES; i++) assert.equal(await store.storeAsync(i, makePage(i, 1, PAGE)), "stored");
  return store;
}

for (const [kind, open] of Object.entries(KINDS)) {
  describe(`who closes a backing store: ${kind}`, () => {
    it("close() of a store leaves its backing store open, with all pages in it", async () => {
      const backing = await open();
      await (await filled(backing)).close();
      const next = new PageStore({ maxBytes: "1MiB", backing });
      for (let i = 0; i < PAGES; i++) {
        assert.equal(await next.loadAsync(i, into), "loaded");
        assert.deepEqual(into, makePage(i, 1, PAGE));
      }
      await next[Symbol.asyncDispose]();
      await backing.flush();
      await backing.close();
    });

    it("a second store on it is refused, until the first is closed; the first one's pages are its own", async () => {
      const backing = await open();
      const first = await filled(backing);
      const refusal = { code: "EBUSY", message: /another page store uses this \w+ backing store; close/ };
      assert.throws(() => new PageStore({ maxBytes: "1MiB", backing }), refusal);
      for (let i = 0; i < PAGES; i++) {
        assert.equal(await first.loadAsync(i, into), "loaded");
        assert.deepEqual(into, makePage(i, 1, PAGE));
      }
      await first.close();
      // One that fails to be made uses nothing.
      assert.throws(() => new PageStore({ maxBytes: "1MiB", backing, codec: "none such" }), {
        code: "ENOENT",
      });
      const second = new PageStore({ maxBytes: "1MiB", backing });
      second[Symbol.dispose]();
      await new PageStore({ maxBytes: "1MiB", backing }).close();
      await backing.close();
    });

    it("a store that is disposed of without a wait leaves it open too", async () => {
      const backing = await open();
      (await filled(backing))[Symbol.dispose]();
      await backing.flush();
      await backing.close();
    });

    it("a backing store that was closed first: typed errors, a store that is whole, and a close that says so", async () => {
      const backing = await open();
      const store = await filled(backing);
      await backing.close();
      const codes = new Set<string>();
      const note = (error: unknown): void => void codes.add((error as { code: string }).code);
      for (let i = 0; i < 2 * PAGES; i++) {
        try {
          if (i % 3 === 0) store.store(i, makePage(i, 2, PAGE));
          else if (i % 3 === 1) store.invalidate(i);
          else await store.loadAsync(i, into);
        } catch (error) {
          note(error);
        }
      }
      await store.clear().catch(note);
      await store.flush().catch(note);
      assert.deepEqual([...codes], ["ECLOSED"]);
      verify(store);
      const closing = {
        code: "ECLOSED",
        message: /closed before the page store .* close the page store first/,
      };
      await assert.rejects(store.close(), closing);
      assert.throws(() => store.stats(), { code: "ECLOSED" });
    });

    it("a backing store is closed by either way to dispose of it", async () => {
      for (const dispose of [Symbol.dispose, Symbol.asyncDispose] as const) {
        const backing = (await open()) as Backing & Disposable & AsyncDisposable;
        await backing[dispose]();
        await backing.close();
        await assert.rejects(backing.flush(), { code: "ECLOSED" });
      }
    });
  });
}
