import { ownWords } from "../base/index.ts";
import type { Engine } from "./engine.ts";
import { hashOf, K0, K1, NAME, VERSION, W_ENTRIES } from "./table.ts";

/** Words of an entry in a list: row and version, the two words of its name, bytes of its prefix. */
export const LISTED_WORDS = 5;

/**
 * The entries of a shard at this moment, most recently used first (by SIEVE: put), {@link LISTED_WORDS} for each. Read each
 * with {@link readListed}: between two of them anybody may change the shard.
 */
export function listEntries(engine: Engine, number: number): Int32Array {
  const shard = engine.shard(number);
  return shard.locked(() => {
    const { rows, words, queue } = shard;
    const list = ownWords(LISTED_WORDS * words[W_ENTRIES]);
    let at = 0;
    for (let row = queue.first(); row !== 0; row = queue.after(row)) {
      const from = rows.at(row);
      list[at++] = row;
      list[at++] = words[from + VERSION];
      list[at++] = words[from + K0];
      list[at++] = words[from + K1];
      list[at++] = words[from + NAME] & 0xffff;
    }
    return list;
  });
}

/**
 * As {@link Engine.readRow}, of the entry at a place of a list. If it was replaced, moved or compressed anew since, it is
 * found by its name, and read as it is now.
 *
 * @returns false: it is gone.
 */
export function readListed(engine: Engine, number: number, list: Int32Array, at: number): boolean {
  const [first, version, k0, k1, prefixLength] = list.subarray(at, at + LISTED_WORDS);
  if (engine.readRow(number, first, version)) return true;
  const shard = engine.shard(number);
  for (;;) {
    const [row, now] = shard.locked(() => {
      const found = shard.rows.find(k0, k1, hashOf(k0, k1), prefixLength, 0);
      return [found, shard.words[shard.rows.at(found) + VERSION]];
    });
    if (row === 0) return false;
    if (engine.readRow(number, row, now)) return true;
  }
}
