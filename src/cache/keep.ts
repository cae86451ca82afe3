import type { FullOf } from "../backing/index.ts";
import { nextTurn, type WriteBudget } from "../base/index.ts";
import {
  dirtyCount,
  dirtyRows,
  type Engine,
  endWriteback,
  type FoundEntry,
  listedBytes,
  rowsBeingWritten,
  startWritebackOf,
  unmark,
  writeListed,
} from "../engine/index.ts";
import { RECORD_HEADER_BYTES } from "../record/index.ts";
import type { ClosedCache } from "./types.ts";

/** Rows that are looked at in one hold of a lock, some hundred microseconds; and entries that go to the tier then. */
const STEP_ROWS = 8192;
const BATCH_ENTRIES = 64;
/** Entries that are written in one hold of a lock, by a tier that writes at once. */
const HELD_ENTRIES = 16;
/** How often a flush goes through a shard: what is compressed anew or moved together meanwhile is in a row that it passed. */
const PASSES_KEPT_MAX = 3;
/** Refusals in a row after which a full tier is not asked for the rest. */
const REFUSALS_MAX = 256;
/** How long it waits for entries that another thread is writing, and how long it rests meanwhile. */
const PATIENCE_MS = 2000;
const REST_MS = 10;
/** How often it is looked whether a tier that drops the oldest has dropped what is wanted. */
const PASSES_MAX = 3;
/** Room that a record takes in a file, as long as its option `unitBytes` is the preset; and its place in the index. */
const UNIT_BYTES = 128;
const INDEX_BYTES = 64;

/** What is needed of a second tier, see {@link Tier}. */
interface KeepingTier {
  readonly drops: boolean;
  writeSoon(entry: FoundEntry, counts: boolean): Promise<unknown>;
  writeNow(entry: FoundEntry, counts?: boolean): unknown;
  writeAgain(entry: FoundEntry): unknown;
  hasRecord(entry: FoundEntry): boolean;
  bounds(): { maxBytes: number; drops: number; fullOf: FullOf | null };
  keepNotes(): boolean;
  /** Whether whoever reads an entry after this run finds the dictionary that it needs. */
  hasDictionary(entry: FoundEntry): boolean;
  countLost(): void;
}

/**
 * Writes what the tier has not to it, and keeps it in memory too, with a turn of the event loop after each batch. A tier
 * that says that it is full is not asked any more.
 *
 * @param budget - if given, what may be written a second.
 * @returns how many were written, and whether all that were tried were.
 */
export async function keepDirty(
  engine: Engine,
  tier: KeepingTier,
  budget: WriteBudget | null,
): Promise<Kept> {
  // What dead threads were writing is not on its way.
  engine.recover();
  const kept: Kept = { written: 0, refused: 0, refusedInARow: 0 };
  await keepShards(engine, tier, budget, kept);
  return kept;
}

async function keepShards(
  engine: Engine,
  tier: KeepingTier,
  budget: WriteBudget | null,
  kept: Kept,
): Promise<void> {
  for (let shard = 0; shard < engine.shardCount; shard++) {
    for (let pass = 0; pass < PASSES_KEPT_MAX && dirtyCount(engine, shard) > 0; pass++) {
      const { written } = kept;
      if (!(await keepPass(engine, tier, budget, shard, kept))) return;
      if (kept.written === written) break;
    }
  }
}

/** Goes once through the rows of a shard. False: the tier is full, or fails, or the cache was closed. */
async function keepPass(
  engine: Engine,
  tier: KeepingTier,
  budget: WriteBudget | null,
  shard: number,
  kept: Kept,
): Promise<boolean> {
  for (let from = 1; from > 0; ) {
    for (let waitMs = budget?.waitMs() ?? 0; waitMs > 0; waitMs = budget?.waitMs() ?? 0)
      await rest(waitMs, true);
    if (engine.isClosed) return false;
    const { rows, next } = dirtyRows(engine, shard, from, STEP_ROWS, BATCH_ENTRIES);
    if (await keepBatch(engine, tier, budget, shard, rows, kept)) return false;
    if (engine.isClosed) return false;
    const others = await othersOf(engine, shard, rows, budget !== null);
    if (others.length > 0 && (await keepBatch(engine, tier, budget, shard, others, kept))) return false;
    if (engine.isClosed) return false;
    from = next;
    await new Promise<void>(nextTurn);
  }
  return !engine.isClosed;
}

/** What became of entries that were written. */
interface Kept {
  written: number;
  refused: number;
  /** A large value may have no room where small ones have: only many in a row say that a tier is full. */
  refusedInARow: number;
}

/**
 * Of a list of rows, those that another thread has been writing for too long: it may be busy or stopped. Their marks are
 * taken off.
 */
async function othersOf(
  engine: Engine,
  shard: number,
  rows: Int32Array,
  isBackground: boolean,
): Promise<Int32Array> {
  let left = rowsBeingWritten(engine, shard, rows);
  for (let waited = 0; left.length > 0 && waited < PATIENCE_MS; waited += REST_MS) {
    await rest(REST_MS, isBackground);
    if (engine.isClosed) return left.subarray(0, 0);
    left = rowsBeingWritten(engine, shard, left);
  }
  unmark(engine, shard, left);
  return left;
}

/** Whether the tier is full, or fails. */
async function keepBatch(
  engine: Engine,
  tier: KeepingTier,
  budget: WriteBudget | null,
  shard: number,
  rows: Int32Array,
  kept: Kept,
): Promise<boolean> {
  const written: { row: number; version: number; outcome: Promise<unknown> }[] = [];
  const take = (entry: FoundEntry): void => {
    const { row, version, storedLength } = entry;
    written.push({ row, version, outcome: tier.writeSoon(entry, false) });
    budget?.spend(storedLength);
  };
  startWritebackOf(engine, shard, rows, take, () => {});
  let hasFailed = false;
  for (const { row, version, outcome } of written) {
    const result = await outcome;
    if (engine.isClosed) return true;
    endWriteback(engine, shard, row, version, result === "ok" ? "clean" : "failed");
    if (result === "ok") kept.written++;
    else if (result !== "ECANCELED") kept.refused++;
    kept.refusedInARow = result === "ENOSPC" ? kept.refusedInARow + 1 : 0;
    hasFailed ||= result instanceof Error;
  }
  return hasFailed || kept.refusedInARow >= REFUSALS_MAX;
}

/**
 * Writes all that is in memory and that the tier has not, before it returns. If that has no room for all, what was used
 * last is there afterwards, as far as a full tier takes anything.
 */
export function keepAll(engine: Engine, tier: KeepingTier, now: number): ClosedCache {
  const keeper = new Keeper(engine, tier, now);
  return tier.drops ? keeper.keepDropping() : keeper.keepRefusing();
}

/** Rows of a shard, most recently used first, as `rowsOf` gives them. */
interface Listed {
  readonly shard: number;
  readonly rows: Int32Array;
}

class Keeper {
  readonly #engine: Engine;
  readonly #tier: KeepingTier;
  readonly #now: number;
  readonly #lists: readonly Listed[];
  /** By shard and row those that were written: they count once. */
  readonly #isWritten: readonly Uint8Array[];
  #written = 0;
  #lost = 0;

  constructor(engine: Engine, tier: KeepingTier, now: number) {
    this.#engine = engine;
    this.#tier = tier;
    this.#now = now;
    this.#lists = Array.from({ length: engine.shardCount }, (_, shard) => ({
      shard,
      rows: engine.rowsOf(shard),
    }));
    this.#isWritten = this.#lists.map(({ rows }) => {
      let most = 0;
      for (let at = 0; at < rows.length; at += 2) most = Math.max(most, rows[at]);
      return new Uint8Array(most + 1);
    });
  }

  #result(): ClosedCache {
    const { fullOf } = this.#tier.bounds();
    return { entriesWritten: this.#written, entriesLost: this.#lost, backingFullOf: fullOf };
  }

  /** A full tier refuses what comes then: so the last used first, and before all the notes, without which tags are lost. */
  keepRefusing(): ClosedCache {
    const tier = this.#tier;
    const hasNotes = tier.keepNotes();
    let refused = 0;
    this.#visit("newest first", false, Number.POSITIVE_INFINITY, (entry) => {
      if (this.#isOver(entry)) return false;
      const isLost =
        (entry.headLength > 0 && !hasNotes) || refused >= REFUSALS_MAX || !tier.hasDictionary(entry);
      if (!isLost && tier.writeNow(entry) === "ok") {
        refused = 0;
        this.#written++;
        return true;
      }
      if (isLost) tier.countLost();
      else refused++;
      this.#lost++;
      return false;
    });
    return this.#result();
  }

  /**
   * A full tier drops what was written longest ago: so the last used last, then the notes. It may drop what is in memory
   * and was in the tier before, so that is looked for too, until a pass had nothing dropped.
   */
  keepDropping(): ClosedCache {
    const tier = this.#tier;
    const max = this.#countThatFit(tier.bounds().maxBytes);
    for (let pass = 0, drops = -1; pass < PASSES_MAX && drops !== tier.bounds().drops; pass++) {
      drops = tier.bounds().drops;
      this.#visit("oldest first", true, max, (entry) => {
        if (this.#isOver(entry)) return false;
        if (entry.clean && tier.hasRecord(entry)) return true;
        const { shard, row } = entry;
        if (this.#isWritten[shard][row] === 1) return tier.writeAgain(entry) === "ok";
        const isWritten = tier.writeNow(entry, false) === "ok";
        if (!isWritten) return false;
        this.#isWritten[shard][row] = 1;
        this.#written++;
        return true;
      });
      tier.keepNotes();
    }
    this.#visit("newest first", true, Number.POSITIVE_INFINITY, (entry) => {
      const isThere = tier.hasRecord(entry) && tier.hasDictionary(entry);
      if (isThere || this.#isOver(entry)) return isThere;
      // It may have been written, and given up for those that came after it.
      this.#written -= this.#isWritten[entry.shard][entry.row];
      this.#lost++;
      tier.countLost();
      return false;
    });
    return this.#result();
  }

  #isOver({ expiresAt }: FoundEntry): boolean {
    return expiresAt !== 0 && expiresAt <= this.#now;
  }

  /** Visits the first `max` entries of each list, the shards in turn. */
  #visit(
    order: "newest first" | "oldest first",
    withClean: boolean,
    max: number,
    visit: (entry: FoundEntry) => boolean,
  ): void {
    const most = Math.max(...this.#lists.map(({ rows }) => Math.min(max, rows.length / 2)));
    const steps = Math.ceil(most / HELD_ENTRIES);
    for (let i = 0; i < steps; i++) {
      const step = order === "newest first" ? i : steps - 1 - i;
      for (const { shard, rows } of this.#lists) {
        const from = 2 * HELD_ENTRIES * step;
        const part = rows.slice(from, Math.min(from + 2 * HELD_ENTRIES, 2 * max));
        if (part.length === 0) continue;
        if (order === "oldest first") reversePairs(part);
        writeListed(this.#engine, shard, part, withClean, visit);
      }
    }
  }

  /** How many of the entries used last of each shard fit into so many bytes. */
  #countThatFit(maxBytes: number): number {
    const bytes = this.#lists.map(({ shard, rows }) => listedBytes(this.#engine, shard, rows));
    const most = Math.max(...bytes.map(({ length }) => length));
    let sum = 0;
    for (let i = 0; i < most; i++) {
      for (const each of bytes) {
        if (i < each.length)
          sum += Math.ceil((each[i] + RECORD_HEADER_BYTES) / UNIT_BYTES) * UNIT_BYTES + INDEX_BYTES;
      }
      if (sum > maxBytes) return i;
    }
    return most;
  }
}

/** Turns a list of rows and versions round. */
function reversePairs(list: Int32Array): void {
  list.reverse();
  for (let at = 0; at < list.length; at += 2) [list[at], list[at + 1]] = [list[at + 1], list[at]];
}

function rest(ms: number, isBackground: boolean): Promise<void> {
  return new Promise((resolve) => {
    const timer: unknown = setTimeout(resolve, ms);
    // Nobody who needs the process waits for the background.
    if (isBackground) (timer as { unref?: () => void }).unref?.();
  });
}
