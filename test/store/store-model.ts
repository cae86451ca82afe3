import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { Backing } from "../../src/backing/index.ts";
import { Prng, ZbudError } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { PageStore, type PageStoreOptions } from "../../src/store/index.ts";
import { HAS_NODE_CODECS } from "../contracts/sharing.ts";
import { makePage } from "./pages.ts";

/** Codecs to compress idle pages with. */
const STRONG = HAS_NODE_CODECS ? ["zstd", "deflate"] : ["lz4", "lz4"];

export interface RunOptions {
  seed: number;
  steps: number;
  indices: number;
  options: PageStoreOptions;
  /** Whether what the store took can be lost: without a backing store that keeps all, or with faults in it. */
  lossy?: boolean;
}

/** What each page was, from the moment on when it became that; null: not there. */
class PageHistories {
  readonly #histories = new Map<number, { page: Uint8Array | null; from: number }[]>();

  is(index: number, found: Uint8Array | null): boolean {
    return this.was(index, found, Number.POSITIVE_INFINITY);
  }

  became(index: number, page: Uint8Array | null, from: number): void {
    this.#of(index).push({ page, from });
  }

  indices(): number[] {
    return [...this.#histories.keys()];
  }

  /** Whether a page was this from some step on. */
  was(index: number, found: Uint8Array | null, start: number): boolean {
    const history = this.#of(index);
    const possible = history.filter((_, i) => i === history.length - 1 || history[i + 1].from >= start);
    return possible.some(({ page }) =>
      found === null || page === null ? page === found : Buffer.compare(page, found) === 0,
    );
  }

  #of(index: number): { page: Uint8Array | null; from: number }[] {
    const history = this.#histories.get(index) ?? [{ page: null, from: 0 }];
    this.#histories.set(index, history);
    return history;
  }
}

/**
 * Random calls on a store and on a Map, with writeback and loads under way between any two of them, and the
 * store's books walked after each step.
 *
 * A synchronous load sees what the Map has, or says that the page is away. A load that waits sees one of the
 * versions that the page had while it waited. With `lossy`, a miss is always right, and other versions never.
 */
export async function runModel(run: RunOptions): Promise<PageStore> {
  const { seed, steps, indices, options, lossy = false } = run;
  const prng = new Prng(seed);
  const store = new PageStore(options);
  const histories = new PageHistories();
  const pending = new Set<Promise<void>>();
  let step = 0;
  let version = 0;
  const became = (index: number, page: Uint8Array | null): void => histories.became(index, page, step);
  const into = new Uint8Array(store.pageSize);
  const mayFail = (error: unknown): void => assert.ok(lossy && error instanceof ZbudError, String(error));
  const loadLater = async (index: number): Promise<void> => {
    const start = step;
    const buffer = new Uint8Array(store.pageSize);
    try {
      const result = await store.loadAsync(index, buffer);
      const isRight =
        (result !== "loaded" && lossy) || histories.was(index, result === "loaded" ? buffer : null, start);
      assert.ok(
        isRight,
        `seed ${seed}: loadAsync of ${index}, from step ${start} to ${step}, gave another page`,
      );
    } catch (error) {
      mayFail(error);
    }
  };
  const later = (work: Promise<void>): void => {
    pending.add(work);
    work.finally(() => pending.delete(work)).catch(() => {});
  };
  for (step = 1; step <= steps; step++) {
    const index = prng.below(indices);
    const action = prng.below(32);
    if (action < 12) {
      const page = makePage(index, ++version, store.pageSize);
      const result = store.store(index, page);
      became(index, result === "stored" ? page : null);
    } else if (action < 18) {
      const result = store.load(index, into);
      const isRight =
        result === "away"
          ? options.backing !== undefined
          : (result === "missing" && lossy) || histories.is(index, result === "loaded" ? into : null);
      assert.ok(isRight, `seed ${seed}, step ${step}: load of ${index} gave ${result}`);
    } else if (action < 24) {
      later(loadLater(index));
    } else if (action < 27) {
      store.invalidate(index);
      became(index, null);
    } else if (action === 27 && prng.chance(0.1)) {
      store.clear();
      for (const each of histories.indices()) became(each, null);
    } else if (action === 28 && prng.chance(0.2)) {
      store.shrinkBytes(prng.below(30_000));
    } else if (action === 29 && prng.chance(0.1)) {
      later(store.flush().catch(mayFail));
    } else if (action === 30 && prng.chance(0.3)) {
      store.recompress(prng.chance(0.5) ? STRONG[0] : STRONG[1], 4);
    } else {
      await turn();
    }
    if (prng.chance(0.3)) await Promise.resolve();
    checkMemory(store);
    if (pending.size > 20) await Promise.all(pending);
  }
  await Promise.all(pending);
  for (const index of histories.indices()) await loadLater(index);
  verify(store);
  return store;
}

function checkMemory(store: PageStore): void {
  verify(store);
  const { memUsedMax, memLimit } = store.stats();
  assert.ok(memUsedMax <= memLimit);
}

/** Drops all pages and looks whether anything is left. */
export async function checkEmptied(store: PageStore, backing?: Backing): Promise<void> {
  store.clear();
  await store.flush();
  const { storedPages, poolTotalSize, comprDataSize } = store.stats();
  assert.deepEqual(
    { storedPages, poolTotalSize, comprDataSize },
    { storedPages: 0, poolTotalSize: 0, comprDataSize: 0 },
  );
  if (backing !== undefined) assert.equal(backing.stats().records, 0);
  await store.close();
}
