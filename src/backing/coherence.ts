import type { BackingKey, StoredEntry } from "../record/index.ts";
import type { Backing, WriteOutcome } from "./types.ts";

/** A tag, by the two words of its hash. */
export interface TagName {
  readonly k0: number;
  readonly k1: number;
}

/** What a store asks the cache that it is joined to. All threads and processes of a machine have the same answers. */
export interface CoherentView {
  /** The steady clock of the machine, in ms. */
  now(): number;
  /** The time of what was deleted here: what is deleted later has a later stamp. */
  stamp(): number;
  /** Whether the tag was deleted, or all was, after a stamp, or the machine may not have been told. */
  isTagOld(tag: TagName, stamp: number): boolean;
  isClearOld(stamp: number): boolean;
  /** Whether the tag is known to have been deleted after a stamp. */
  isTagDeleted(tag: TagName, stamp: number): boolean;
}

/** Who is told what others change. */
export interface CoherenceListener {
  /** From here on everything is told; what was changed before was perhaps not. */
  began(): void;
  /** All that was acknowledged to anybody before `sentAt`, by the machine's steady clock in ms, has been told. */
  alive(sentAt: number): void;
  /** From some moment on nothing was told. */
  broke(): void;
  /** What was just told takes a while, until what this returns is called. */
  carryOut(): () => void;
  /** A record was written, deleted, ended, or given up by the server. */
  key(prefix: Uint8Array): void;
  /** A tag was deleted. */
  tag(tag: TagName): void;
  /** All was deleted. */
  all(): void;
}

/** What is known of a record without its bytes. */
export interface RecordHead {
  readonly stamp: number;
  readonly expiresAt: number;
}

/** Leave to load a key, for one of all machines. */
export interface FleetLock {
  /** Gives it back, once what was written before is on the server. */
  end(): void;
}

/** A store as one cache uses it that shares it with caches of other machines. */
export interface CoherentStore {
  readonly graceMs: number;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
  /** What a machine keeps is believed for so long without being told anything; 0: it is told. */
  readonly ttlMs: number;
  /**
   * Whether one server has all, so that it is right also while it tells nothing. One of several may answer that has lost
   * its keys to another and does not know it yet.
   */
  readonly isOneServer: boolean;
  /** A number of 52 bits that other content does not have. */
  versionOf(kind: number, head: Uint8Array, value: Uint8Array): number;
  /**
   * Begins to tell a listener what others change.
   *
   * @returns what ends it.
   */
  listen(listener: CoherenceListener): () => void;
  /**
   * A record that neither a tag's deletion nor a clear made out of date; null if there is none.
   *
   * @param tags - those that a write of this key may have: what is known of them is as old as the answer.
   */
  read(
    key: BackingKey,
    tags: readonly TagName[],
    signal: AbortSignal | undefined,
  ): Promise<StoredEntry | null>;
  /**
   * What the server has of a key at this moment. Rejects if it does not answer in time, in ms.
   *
   * @param tags - how many tags it has; null for a record that has more.
   */
  head(key: BackingKey, tags: number, timeMs: number): Promise<RecordHead | null>;
  /**
   * Writes a record. Copies it at once, as `write` does.
   *
   * @param since - the stamp from which on a deletion of its tags makes it out of date.
   * @param isLoaded - it is what a loader gave: it is written only if this thread has the {@link lock} of its key, and nobody
   *   set or deleted that since it was taken.
   */
  put(record: StoredEntry, tags: readonly TagName[], since: number, isLoaded: boolean): Promise<WriteOutcome>;
  /** Whether this thread is writing or deleting the record; then `then` is called when that has ended. */
  isChanging(key: BackingKey, then: () => void): boolean;
  /** All records with the tag are out of date, once the server was told; it is told again and again. */
  deleteTag(tag: TagName): void;
  /**
   * Null: somebody else has it. Rejects if the server does not answer.
   *
   * @param takes - takes it from whoever has it.
   */
  lock(key: BackingKey, takes: boolean): Promise<FleetLock | null>;
  close(): void;
}

/** A backing store that several machines share as one truth. */
export interface CoherentBacking extends Backing {
  readonly coherence: {
    /** The class of a cache's second tier; the layer above knows it. Here, so that who has none does not bundle it. */
    readonly tier: unknown;
    join(view: CoherentView): CoherentStore;
  };
}

/** Whether a backing store is one that several machines share as one truth. */
export function isCoherent(backing: Backing | undefined): backing is CoherentBacking {
  return (backing as Partial<CoherentBacking> | undefined)?.coherence !== undefined;
}
