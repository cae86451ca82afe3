/** What the contract suite has to be told about a driver. */

import type { Handle } from "../../../src/base/index.ts";
import type { Pool } from "../../../src/pool/index.ts";

/** How one driver differs from another, as far as the contract leaves it open. */
export interface PoolFacts {
  /** The name it is registered under. */
  readonly type: string;
  /** Whether its pools can reclaim. */
  readonly canReclaim: boolean;
  /** The largest object of a pool with pages of `pageSize` bytes and otherwise default options. */
  maxObjectBytes(pageSize: number): number;
  /** The most objects that can share a page of 4096 bytes. */
  readonly objectsPerPageMax: number;
  /** The most evictions that one reclaim tries, whatever the objects' sizes, before it has released a page. */
  readonly evictionsPerPageMax: number;
  /** Whether `map` gives a view of the object itself, valid until it is freed; if not it gives a copy. */
  readonly mapsInPlace: boolean;
}

/** The options that tests give. */
export interface TestPoolOptions {
  maxPages: number;
  pageSize?: number;
  shared?: boolean;
  onEvict?: (handle: Handle, pool: Pool) => boolean;
}

/** Builds a pool of the driver under test. */
export type PoolMaker = (options: TestPoolOptions) => Pool;
