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
}

/** What a cache that follows the machine decided, in words. */
export interface ShownDecision {
  /** As {@link Tick.at}. */
  readonly at: number;
  readonly text: string;
}

/** What a viewer's page is told again and again. */
export interface Tick {
  /** Milliseconds since the viewer was made. */
  readonly at: number;
  /** Numbers of `stats()`; what lay in an object is named `object.number`. */
  readonly counters: Record<string, number>;
  /** Lists of numbers of `stats()`. */
  readonly histograms: Record<string, readonly number[]>;
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
