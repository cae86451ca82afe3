/** A page store, as the torture of processes has it. */

import assert from "node:assert/strict";
import { verify } from "../../src/diagnostics/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import type { PageStore } from "../../src/store/index.ts";
import { makePage, quarterPage } from "../store/pages.ts";
import { StorePlayer } from "./store-player.ts";
import type { Subject } from "./torture.ts";

/** Pages that it is filled with are beyond all others. */
const FILL_AT = 1_000_000;

export const storeSubject: Subject = {
  open: (plan, truth) => {
    registerBuiltIns();
    const player = new StorePlayer(plan, truth);
    const { store } = player;
    return {
      audit: () => {
        store.recover();
        verify(store);
        for (let key = 0; key < truth.keys; key++) {
          assert.ok(truth.claim(key, -1), `page ${key} is being changed, and nobody is at work`);
          player.settle(key);
          truth.release(key);
        }
      },
      capacity: () => {
        // Each pool has been full once: the end of its pages, where it shares a page of the machine, stays with it.
        for (const driver of (plan.options.drivers ?? []) as string[]) {
          store.useDriver(driver);
          fill(store, quarterPage);
        }
        if (plan.options.drivers !== undefined) store.useDriver("log");
        return [quarterPage, (index: number) => makePage(5 * index)].map((make) => fill(store, make));
      },
      close: () => void store.close(),
    };
  },
};

/** Empties a store, and fills it until it refuses a page, or drops one. How many it held. */
function fill(store: PageStore, make: (index: number) => Uint8Array): number {
  void store.clear();
  store.trim();
  const evicted = store.stats().evictions;
  for (let i = 0; ; i++) {
    const result = store.store(FILL_AT + i, make(i));
    if (result !== "stored" || store.stats().evictions > evicted) break;
  }
  const { size } = store;
  void store.clear();
  return size;
}
