/** A thread that takes places in a table of threads, and ends without leaving them. */

import { workerData } from "node:worker_threads";
import { FileBacking, type SharedFileBacking } from "../../src/backing/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { attachPool, zbudDriver } from "../../src/entry/index.ts";
import type { SharedPool } from "../../src/pool/index.ts";
import { PageStore, type SharedPageStore } from "../../src/store/index.ts";

export interface Registered {
  kind: "pool" | "zpool" | "store" | "cache" | "file";
  shared: unknown;
  places: number;
}

const { kind, shared, places } = workerData as Registered;
const attach: Record<Registered["kind"], () => unknown> = {
  pool: () => zbudDriver.attach(shared as SharedPool),
  zpool: () => attachPool(shared as SharedPool),
  store: () => PageStore.attach(shared as SharedPageStore),
  cache: () => CompressedCache.attach(shared as ReturnType<CompressedCache["share"]>),
  file: () => FileBacking.attach(shared as SharedFileBacking),
};
for (let member = 0; member < places; member++) attach[kind]();
