/** A thread that takes seats, and ends without leaving them. */

import { workerData } from "node:worker_threads";
import { FileBacking, type SharedFileBacking } from "../../src/backing/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { attachPool, ZbudPool } from "../../src/index.ts";
import type { SharedPool } from "../../src/pool/index.ts";
import { PageStore, type SharedPageStore } from "../../src/store/index.ts";

export interface Seated {
  kind: "pool" | "zpool" | "store" | "cache" | "file";
  shared: unknown;
  seats: number;
}

const { kind, shared, seats } = workerData as Seated;
const attach: Record<Seated["kind"], () => unknown> = {
  pool: () => ZbudPool.attach(shared as SharedPool),
  zpool: () => attachPool(shared as SharedPool),
  store: () => PageStore.attach(shared as SharedPageStore),
  cache: () => CompressedCache.attach(shared as ReturnType<CompressedCache["share"]>),
  file: () => FileBacking.attach(shared as SharedFileBacking),
};
for (let seat = 0; seat < seats; seat++) attach[kind]();
