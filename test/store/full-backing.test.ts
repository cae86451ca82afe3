/** A page store whose backing store is full does not ask it for each page. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FileBacking, type FileBackingOptions } from "../../src/backing/index.ts";
import { nextTurn, Prng } from "../../src/base/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { makePage } from "./pages.ts";

const STORES = 4000;

/** A page that does not compress. */
function noise(seed: number): Uint8Array {
  const prng = new Prng(seed);
  return new Uint8Array(Uint32Array.from({ length: 1024 }, () => prng.uint32()).buffer);
}

describe("a page store at its limit, over a file that is full", () => {
  it("asks the file a few times, says that it is full, and goes on when there is room", async () => {
    let now = 1000;
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 19, clock: () => now });
    const store = new PageStore({ maxBytes: "512KiB", backing });
    let full = 0;
    let index = 0;
    for (; index < STORES; index++) {
      if (store.store(index, makePage(index)) === "full") full++;
      if (index % 100 === 0) await new Promise<void>(nextTurn);
    }
    assert.ok(full > STORES / 2, `${full} were refused`);
    const { writesRefused } = backing.stats();
    // Those of a batch or two of the background, and one of each pause.
    assert.ok(writesRefused < 400, `${writesRefused} writes were refused, for ${STORES} stores`);
    assert.equal(store.stats().isBackingFull, true);
    assert.equal(store.stats().rejectReclaimFail, full);

    for (let i = 0; i < index; i += 2) store.invalidate(i);
    assert.equal(store.stats().isBackingFull, false);
    for (let i = 0; i < 100; i++) assert.equal(store.store(index + i, makePage(index + i)), "stored");
    now += 10_000;
    const written = store.stats().writtenBackPages;
    for (let i = 0; i < STORES; i++) store.store(index + i, makePage(index + i));
    assert.ok(store.stats().writtenBackPages > written, "it is asked again after a pause");
    await store.clear();
    await store.close();
    await backing.close();
  });

  it("takes all pages anew where room of the older ones comes back with a flush only", async () => {
    const PAGES = 512;
    const path = freshPath();
    // What does not compress: 4096, a header of 64, rounded up to 128, and 64 in the index. Then the file's headers.
    const options: FileBackingOptions = { maxBytes: PAGES * (4224 + 64) + 2 ** 14, unclean: "flushed" };
    const page = (index: number, round: number) => noise(1 + index + round * PAGES);
    const into = new Uint8Array(4096);
    const file = { backing: await FileBacking.open(path, options) };
    const open = () => new PageStore({ maxBytes: "512KiB", backing: file.backing });
    let store = open();
    for (let round = 0; round < 4; round++) {
      for (let at = 0; at < PAGES; at++) {
        // Another order in each round.
        const index = (at * (2 * round + 1)) % PAGES;
        assert.equal(await store.storeAsync(index, page(index, round)), "stored", `page ${index}, ${round}`);
      }
      await store.flush();
      if (round === 2) {
        await store.close();
        await file.backing.close();
        file.backing = await FileBacking.open(path, options);
        store = open();
      }
      for (let index = 0; index < PAGES; index++) {
        assert.equal(store.loadSync(index, into), "loaded");
        assert.deepEqual(into, page(index, round), `page ${index} in round ${round}`);
      }
    }
    await store.close();
    await file.backing.close();
  });

  it("says so at a flush when there is no room, also after another flush", async () => {
    const options: FileBackingOptions = { maxBytes: 2 ** 19, unclean: "flushed" };
    const backing = await FileBacking.open(freshPath(), options);
    const store = new PageStore({ maxBytes: "1MiB", backing });
    for (let index = 0; index < 200; index++) store.store(index, noise(1 + index));
    for (let i = 0; i < 2; i++) await assert.rejects(store.flush(), { code: "ENOSPC", message: /no room/ });
    for (let index = 100; index < 200; index++) store.invalidate(index);
    await store.flush();
    await store.close();
    await backing.close();
  });
});
