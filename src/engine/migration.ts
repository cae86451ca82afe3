import type { ShardParts } from "./parts.ts";
import {
  KIND_ENTRY,
  KIND_MASK,
  POOL_MASK,
  POOL_SHIFT,
  ROWS_MAX,
  STATE,
  STATE_SAME_FILLED,
  W_POOL,
} from "./table.ts";

/** Entries of the last pages that are evicted where the new pool has no room for what comes from the old one. */
const EVICTED_AT_ONCE = 32;
/** A part of what is to be moved, after which the old pool's memory is given back. */
const PARTS = 32;

/** What a migration needs of a shard. */
export interface MigratedShard extends Pick<ShardParts, "words" | "rows" | "queue" | "fragments" | "pools"> {
  /** Moves an entry to the pool that is used. False: there is no room, and nothing changed. */
  moveEntry(row: number): boolean;
  /** Evicts an entry, if it may go. */
  evictRow(row: number): boolean;
}

/** Makes one. */
export type MigrationOf = (shard: MigratedShard) => Migration;

export function migrationOf(shard: MigratedShard): Migration {
  return new Migration(shard);
}

/**
 * Moves the entries of the pools that get no new objects to the one that does, the last pages first, so that the
 * memory behind them can be given back while it goes on. A pool's memory counts until then: of the limit the new
 * pool has what the old ones have given back. Only for memory that shrinks: an engine of one thread.
 */
export class Migration {
  readonly #shard: MigratedShard;
  /** `page * 2^27 + row`, ascending; what is behind `#left` has been dealt with. */
  #list: Float64Array = new Float64Array(0);
  #left = 0;
  /** As many are left when memory is given back the next time. */
  #trimAt = 0;

  constructor(shard: MigratedShard) {
    this.#shard = shard;
  }

  get isIdle(): boolean {
    return this.#left === 0;
  }

  /** Looks for entries of other pools. Walks all. */
  start(): void {
    const { queue, fragments } = this.#shard;
    const list: number[] = [];
    for (let row = queue.first(); row !== 0; row = queue.after(row)) {
      if (!this.#isElsewhere(row)) continue;
      const page = Math.floor(fragments.poolOf(row).offsetOf(fragments.handleOf(row)) / 4096);
      list.push(page * 2 * ROWS_MAX + row);
    }
    this.#list = Float64Array.from(list).sort();
    this.#left = list.length;
    this.#trimAt = this.#left - this.#part();
    if (this.#left === 0) this.#shard.pools.trim();
  }

  /**
   * Moves up to `max` entries. Where there is no room for one, the last ones are evicted.
   *
   * @param mayEvict - false: they are left where they are.
   * @returns whether more may have room now.
   */
  step(max: number, mayEvict: boolean): boolean {
    let done = 0;
    while (this.#left > 0 && done < max) {
      const row = this.#list[this.#left - 1] % (2 * ROWS_MAX);
      if (this.#isElsewhere(row) && !this.#move(row)) {
        // What was moved so far may have emptied the last pages.
        this.#shard.pools.trim();
        if (!this.#move(row)) return mayEvict && this.#evict();
      }
      this.#left--;
      done++;
      if (this.#left > this.#trimAt) continue;
      this.#shard.pools.trim();
      this.#trimAt = this.#left - this.#part();
    }
    if (this.#left === 0 && this.#list.length > 0) {
      this.#list = new Float64Array(0);
      this.#shard.pools.trim();
    }
    return done > 0;
  }

  #part(): number {
    return Math.max(EVICTED_AT_ONCE, Math.ceil(this.#list.length / PARTS));
  }

  /** Whether a row is an entry with an object that is not in the pool that is used. */
  #isElsewhere(row: number): boolean {
    const { rows, words } = this.#shard;
    const state = words[rows.at(row) + STATE];
    if ((state & KIND_MASK) !== KIND_ENTRY || (state & STATE_SAME_FILLED) !== 0) return false;
    return ((state >> POOL_SHIFT) & POOL_MASK) !== words[W_POOL];
  }

  #move(row: number): boolean {
    return this.#shard.moveEntry(row);
  }

  /** False: one of them must stay, and so must all below. */
  #evict(): boolean {
    let evicted = 0;
    while (this.#left > 0 && evicted < EVICTED_AT_ONCE) {
      const row = this.#list[this.#left - 1] % (2 * ROWS_MAX);
      if (this.#isElsewhere(row)) {
        if (!this.#shard.evictRow(row)) break;
        evicted++;
      }
      this.#left--;
    }
    this.#shard.pools.trim();
    if (evicted === 0) this.#left = 0;
    return evicted > 0;
  }
}
