import assert from "node:assert/strict";
import type { CompressedCache } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";

/** A clock that stands until it is told to go on. */
export class FakeClock {
  now = 1_000;
  readonly read = (): number => this.now;
}

/** What the books say must be what can be read: entries, and bytes of keys and values. */
export function checkBooks(cache: CompressedCache<unknown>): void {
  verify(cache);
  const stats = cache.stats();
  assert.equal(stats.entries, cache.size);
  assert.ok(stats.bytesUsed <= stats.bytesReserved, `${stats.bytesUsed} of ${stats.bytesReserved} bytes`);
  const gone =
    stats.evictions + stats.expirations + stats.replacements + stats.deletions + stats.clearDeletions;
  assert.ok(stats.sets >= stats.entries + gone - stats.rejectTooBig - stats.rejectNoMemory);
}
