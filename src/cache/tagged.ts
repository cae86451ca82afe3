import type { Engine } from "../engine/index.ts";
import type { RowList, TagLists } from "./tags.ts";

/** Removes all entries with a tag, shard by shard. How many there were. */
export function removeTagged(engine: Engine, tags: TagLists, tag: string): number {
  const found: RowList = { words: new Int32Array(0), count: 0 };
  let removed = 0;
  for (let shard = 0; shard < engine.shardCount; shard++) {
    found.count = 0;
    let complete = true;
    engine.visitSecondaryIndex(shard, (table, at, count) => {
      complete = tags.find(table, at, count, tag, found);
    });
    for (let i = 0; i < found.count; i++) {
      if (engine.removeRow(shard, found.words[2 * i], found.words[2 * i + 1])) removed++;
    }
    if (!complete) removed += removeBySearch(engine, tags, tag, shard);
  }
  return removed;
}

/** The same in one shard, looking at each of its entries. */
function removeBySearch(engine: Engine, tags: TagLists, tag: string, shard: number): number {
  const rows = engine.rowsOf(shard);
  let removed = 0;
  for (let i = 0; i < rows.length; i += 2) {
    if (!engine.readRow(shard, rows[i], rows[i + 1]) || !tags.hasTag(engine.found, tag)) continue;
    if (engine.removeRow(shard, rows[i], rows[i + 1])) removed++;
  }
  return removed;
}
