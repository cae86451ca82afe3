/** A store at its limit for a long time: does resident memory drift, is every page still there? */

import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { FileBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { makePage } from "./pages.ts";

const PAGES = 20_000;
const MAX_BYTES = 2 ** 24;

export interface ChurnReport {
  calls: number;
  /** Change of the resident size from one third of the time on to the end, as a share of it. */
  drift: number;
}

/** Stores, loads and drops pages for so long, then reads every page again. Throws if one has other bytes. */
export async function churn(options: { seconds: number; seed: number; path: string }): Promise<ChurnReport> {
  const prng = new Prng(options.seed);
  const backing = await FileBacking.open(options.path, { maxBytes: 2 ** 27 });
  const store = new PageStore({ maxBytes: MAX_BYTES, backing });
  const versions = new Uint32Array(PAGES);
  const into = new Uint8Array(store.pageSize);
  const start = performance.now();
  const residents: number[] = [];
  let calls = 0;
  let version = 0;
  // Pages of a few versions, made beforehand: the collector is to have little to do.
  const pages = Array.from({ length: 512 }, (_, i) => makePage(i, 1, store.pageSize));
  for (let seconds = 0; seconds < options.seconds; seconds = (performance.now() - start) / 1000) {
    for (let i = 0; i < 64; i++, calls++) {
      const index = prng.below(PAGES);
      const action = prng.below(10);
      if (action < 5) {
        const page = pages[prng.below(pages.length)];
        const view = new DataView(page.buffer);
        view.setUint32(0, index);
        view.setUint32(4, ++version);
        versions[index] = store.store(index, page) === "stored" ? version : 0;
      } else if (action < 9) {
        const isThere = store.loadSync(index, into) === "loaded";
        assert.equal(isThere, versions[index] !== 0, `page ${index} is ${isThere ? "there" : "lost"}`);
        if (isThere) checkPage(index, versions[index], into);
      } else {
        store.invalidate(index);
        versions[index] = 0;
      }
    }
    await turn();
    if (calls % 16_384 === 0) {
      globalThis.gc?.();
      residents.push(process.memoryUsage.rss());
    }
  }
  verify(store);
  for (let index = 0; index < PAGES; index++) {
    const isThere = (await store.loadAsync(index, into)) === "loaded";
    assert.equal(isThere, versions[index] !== 0, `page ${index}`);
    if (isThere) checkPage(index, versions[index], into);
  }
  const { memUsedMax, memLimit } = store.stats();
  assert.ok(memUsedMax <= memLimit);
  store.clear();
  assert.equal(store.stats().poolTotalSize, 0);
  await store.close();
  await backing.close();
  const third = Math.floor(residents.length / 3);
  const median = (list: number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1] ?? 1;
  const [early, late] = [residents.slice(third, 2 * third), residents.slice(2 * third)].map(median);
  return { calls, drift: late / early - 1 };
}

function checkPage(index: number, version: number, page: Uint8Array): void {
  const view = new DataView(page.buffer);
  assert.equal(view.getUint32(0), index, `page ${index} is another one`);
  assert.equal(view.getUint32(4), version, `page ${index} has another version`);
}
