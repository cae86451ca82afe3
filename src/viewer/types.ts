import type { PoolObserver, SnapshotColumns } from "../pool/index.ts";

/**
 * Whatever can be watched: a pool, a store, a cache, the player of a trace. Members that are missing are not
 * shown. None of them gives stored bytes.
 */
export interface Viewable {
  /** Numbers, lists of numbers (histograms), and objects of these. */
  stats(): object;
  /** What lies where. Pools, page stores and caches of this library need not have it. */
  snapshotColumns?(): SnapshotColumns;
  /** Hears of reclaims, until what it gives is called. */
  observe?(observer: PoolObserver): () => void;
  /** The page of an object. */
  inspect?(handle: never): { readonly page: number };
  readonly type?: string;
  /** Who plays a trace can be told how. */
  readonly player?: PlayerControls;
}

/** What a player can be told. */
export type PlayerCommand =
  | { readonly do: "play" | "pause" | "step" }
  /** Operations a second. */
  | { readonly do: "speed"; readonly value: number }
  /** To go to the state after so many operations. */
  | { readonly do: "seek"; readonly value: number };

/** How far a player is. */
export interface PlayerState {
  readonly playing: boolean;
  /** Operations a second. */
  readonly speed: number;
  /** Operations done. */
  readonly position: number;
  /** Operations of the trace. */
  readonly length: number;
  /** The operation done last, in words; empty at the start. */
  readonly last: string;
  /** Results that came out otherwise than recorded. */
  readonly mismatches: number;
}

/** The part of a player that a viewer drives. */
export interface PlayerControls {
  state(): PlayerState;
  /** @throws {ZbudError} `EINVAL` for a command that is none. */
  control(command: PlayerCommand): void;
}

/** What a viewer's page is told first. */
export interface Hello {
  readonly title: string;
  /** Whether there are pages to show. */
  readonly pages: boolean;
  readonly player: boolean;
  /** Whether keys of entries are told. */
  readonly keys: boolean;
}

/** What a cache that follows the machine decided, in words. */
export interface ShownDecision {
  /** As {@link Tick.at}. */
  readonly at: number;
  readonly text: string;
}

/** A process and how many of its threads use something. A `pid` of 0: it did not say. */
export interface User {
  readonly pid: number;
  readonly threads: number;
}

/** An entry's key, shortened, and the bytes that the entry takes. */
export interface ShownKey {
  readonly key: string;
  readonly bytes: number;
}

/** The entries of a cache or page store, of a sample where there are many. */
export interface ShownEntries {
  /** Entries looked at. */
  readonly counted: number;
  /** By bytes: step `i` counts up to `64 << i`, the last all that is larger. */
  readonly sizes: readonly number[];
  /** By the time since each was stored or compressed anew, up to 10 s, 1 min, 10 min, 1 h, and more. */
  readonly ages: readonly number[];
  /** Those from before somebody watched. */
  readonly earlier: number;
  /** Those that do not compress. */
  readonly raw: number;
  /** Keys of the largest, the largest first; null: the viewer was not told to show keys. */
  readonly keys: readonly ShownKey[] | null;
}

/** What a viewer's page is told again and again. */
export interface Tick {
  /** Milliseconds since the viewer was made. */
  readonly at: number;
  /** Numbers of `stats()`; what lay in an object is named `object.number`. */
  readonly counters: Record<string, number>;
  /** Lists of numbers of `stats()`. */
  readonly histograms: Record<string, readonly number[]>;
  /** What `stats()` says in words, yes and no among it; of a list its items, named by their place. */
  readonly texts: Record<string, string>;
  /** Who uses a cache or page store, the watched thread among them; null: not known of this. */
  readonly users: readonly User[] | null;
  /** Null: it has none, or they were not looked over yet. */
  readonly entries: ShownEntries | null;
  /** Pages that objects were evicted from since the last tick, the first of them. */
  readonly evictedFrom: readonly number[];
  /** What was decided about memory since somebody watches, the oldest first, the last of it. */
  readonly decisions: readonly ShownDecision[];
  readonly player: PlayerState | null;
}

/** Where a viewer is to listen. */
export interface ListenOptions {
  /** Default 0: any that is free. */
  port?: number;
  /** Default `127.0.0.1`: this machine only. */
  host?: string;
}
