import type { ThreadRegistry } from "../base/index.ts";
import type { ShardBudget } from "./budget.ts";
import type { EntryQueue, Eviction, EvictionPolicy } from "./eviction/index.ts";
import type { Expiries } from "./expiries.ts";
import type { Fragments } from "./fragments.ts";
import type { Rows } from "./rows.ts";
import type { ShardPools } from "./shard-pools.ts";
import type { ShardLayout } from "./table.ts";
import type { EntryAttributes, FoundEntry, OnChange, OnEvict, OnRemoved, SecondaryIndex } from "./types.ts";

/** No bytes. */
export const EMPTY: Uint8Array = new Uint8Array(0);

/** Removal reasons, as offsets of F_REMOVED (table.ts). */
export const EVICTED = 0;
export const EXPIRED = 1;
export const REPLACED = 2;
export const DELETED = 3;
export const CLEARED = 4;
export const REASONS = ["evicted", "expired", "replaced", "deleted", "cleared"] as const;

/** Hooks of this thread; one object for all shards, so that they can be replaced. */
export interface Hooks {
  onEvict: OnEvict | null;
  hasCopy: ((entry: FoundEntry) => boolean) | null;
  evictsWriting: boolean;
  onEvicted: ((k0: number, k1: number) => void) | null;
  onRemoved: OnRemoved | null;
  onChange: OnChange | null;
  onOutdated: OnChange | null;
  secondaryIndex: SecondaryIndex | null;
}

/**
 * A value on its way into a shard, already compressed: `bytes[start, start + stored)`. One record for each
 * engine, filled anew by each put.
 */
export interface Draft {
  bytes: Uint8Array;
  /** Of a value of several blocks: what is stored, one after the other, instead of `bytes`. Else null. */
  pieces: readonly Uint8Array[] | null;
  start: number;
  stored: number;
  length: number;
  /** Flags and codec of the entry; its kind and pool are set by the shard. */
  state: number;
  /** The word that fills a same-filled value. */
  fill0: number;
  fill1: number;
}

/** A value that was compressed block by block, as {@link BlockPacker} does it. */
export interface PackedValue {
  /** Bytes of the value. */
  readonly length: number;
  /** Bytes that are stored. */
  readonly stored: number;
  /** Whether it is smaller than the value; else the pieces are the value itself. */
  readonly isPacked: boolean;
  readonly codecNumber: number;
  pieces(): readonly Uint8Array[];
}

/** What a shard is made of. */
export interface ShardSetup {
  readonly number: number;
  readonly words: Int32Array;
  readonly layout: ShardLayout;
  readonly budget: ShardBudget;
  readonly evict: Eviction;
  readonly hooks: Hooks;
  /** Filled for hooks. */
  readonly victim: FoundEntry;
  /** Null: only one thread uses it. */
  readonly registry: ThreadRegistry | null;
  readonly member: number;
  /** The engine's header, which has the locks. */
  readonly header: Int32Array;
}

/** The parts of a shard, and what it does with one entry: all that its repair and its verification know of it. */
export interface ShardParts {
  readonly words: Int32Array;
  readonly floats: Float64Array;
  readonly layout: ShardLayout;
  readonly budget: ShardBudget;
  readonly rows: Rows;
  readonly queue: EntryQueue;
  readonly eviction: EvictionPolicy;
  readonly pools: ShardPools;
  readonly fragments: Fragments;
  readonly expiries: Expiries | null;
  readonly hooks: Hooks;
  hashOfRow(row: number): number;
  find(k0: number, k1: number, hash: number, prefix: Uint8Array, prefixLength: number): number;
  account(row: number, sign: 1 | -1): void;
  dropRow(row: number): void;
}

/** What diagnostics get of an engine. */
export interface EngineInside {
  readonly kind: "engine";
  readonly shards: readonly (ShardParts & { locked<T>(work: () => T): T })[];
  /** Whether entries go in the order of the pools' own LRUs. */
  readonly ordered: boolean;
  /** Who uses it; null: one thread alone. */
  readonly registry: ThreadRegistry | null;
}

/** An empty draft, to be filled by each put. */
export function emptyDraft(): Draft {
  return { bytes: EMPTY, pieces: null, start: 0, stored: 0, length: 0, state: 0, fill0: 0, fill1: 0 };
}

/** A fresh record for `put` of an engine, with nothing beside the name: use it again for each call. */
export function entryAttributes(): EntryAttributes {
  return { prefix: EMPTY, prefixLength: 0, head: EMPTY, headLength: 0, expiresAt: 0, aux: 0, aux2: 0 };
}
