import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { Backing } from "../../src/backing/index.ts";
import { Prng, ZbudError } from "../../src/base/index.ts";
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

/** What a page was, from the moment on when it became that; null: not there. */
type History = { page: Uint8Array | null; from: number }[];

/**
 * Random calls on a store and on a Map, with writeback and loads under way between any two of them, and the
 * store's books walked after each step.
 *
 * A synchronous load sees what the Map has, or says that the page is away. A load that waits sees one of the
 * versions that the page had while it waited. With `lossy`, a miss is always right, and other versions never.
 */
export async function runModel({
  seed,
  steps,
  indices,
  options,
  lossy = false,
}: RunOptions): Promise<PageStore> {
  const prng = new Prng(seed);
  const store = new PageStore(options);
  const { pageSize } = store;
  const histories = new Map<number, History>();
  const pending = new Set<Promise<void>>();
  let step = 0;
  let version = 0;
  const historyOf = (index: number): History => {
    const history = histories.get(index) ?? [{ page: null, from: 0 }];
    histories.set(index, history);
    return history;
  };
  const now = (index: number): Uint8Array | null => historyOf(index).at(-1)?.page ?? null;
  const became = (index: number, page: Uint8Array | null): void => {
    historyOf(index).push({ page, from: step });
  };
  const into = new Uint8Array(pageSize);
  const checkAwaited = (index: number, start: number, found: Uint8Array | null): void => {
    const history = historyOf(index);
    const possible = history.filter((_, i) => i === history.length - 1 || history[i + 1].from >= start);
    const isRight = possible.some(({ page }) =>
      found === null ? page === null || lossy : page !== null && Buffer.compare(page, found) === 0,
    );
    assert.ok(
      isRight,
      `seed ${seed}: loadAsync of ${index}, from step ${start} to ${step}, gave another page`,
    );
  };
  const loadLater = async (index: number): Promise<void> => {
    const start = step;
    const buffer = new Uint8Array(pageSize);
    try {
      const result = await store.loadAsync(index, buffer);
      checkAwaited(index, start, result === "loaded" ? buffer : null);
    } catch (error) {
      if (!(lossy && error instanceof ZbudError)) throw error;
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
      const page = makePage(index, ++version, pageSize);
      const result = store.store(index, page);
      became(index, result === "stored" ? page : null);
    } else if (action < 18) {
      const result = store.load(index, into);
      const known = now(index);
      if (result === "loaded") assert.ok(known !== null && Buffer.compare(known, into) === 0, `seed ${seed}`);
      if (result === "missing")
        assert.ok(known === null || lossy, `seed ${seed}, step ${step}: lost ${index}`);
      if (result === "away") assert.ok(options.backing !== undefined);
    } else if (action < 24) {
      later(loadLater(index));
    } else if (action < 27) {
      store.invalidate(index);
      became(index, null);
    } else if (action === 27 && prng.chance(0.1)) {
      store.clear();
      for (const each of histories.keys()) became(each, null);
    } else if (action === 28 && prng.chance(0.2)) {
      store.shrinkBytes(prng.below(30_000));
    } else if (action === 29 && prng.chance(0.1)) {
      later(
        store
          .flush()
          .catch((error: unknown) => assert.ok(lossy && error instanceof ZbudError, String(error))),
      );
    } else if (action === 30 && prng.chance(0.3)) {
      store.recompress(prng.chance(0.5) ? STRONG[0] : STRONG[1], 4);
    } else {
      await turn();
    }
    if (prng.chance(0.3)) await Promise.resolve();
    store.verify();
    const { memUsedMax, memLimit } = store.stats();
    assert.ok(memUsedMax <= memLimit);
    if (pending.size > 20) await Promise.all(pending);
  }
  await Promise.all(pending);
  for (const index of histories.keys()) await loadLater(index);
  store.verify();
  return store;
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
