/** A page store whose backing store is full does not ask it for each page. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FileBacking } from "../../src/backing/index.ts";
import { nextTurn } from "../../src/base/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { makePage } from "./pages.ts";

const STORES = 4000;

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
});
