import type { BackingKey, StoredEntry } from "../backing/index.ts";
import { ZbudError } from "../base/index.ts";
import { emptyRecord } from "../record/index.ts";

const EMPTY: Uint8Array = new Uint8Array(0);

export function keyOf(k0: number, k1: number): BackingKey {
  return { k0, k1, prefix: EMPTY };
}

/** The record of a page that is kept as it is. */
export function rawRecord(k0: number, k1: number, page: Uint8Array): StoredEntry {
  return { ...emptyRecord(), k0, k1, bytes: page, storedLength: page.length, length: page.length };
}

/**
 * Makes sure that a record is a page's.
 *
 * @throws {ZbudError} `EBADMSG` if it is not of a page of this size.
 */
export function checkPage(record: StoredEntry, pageSize: number): void {
  const { length, codec, prefixLength, headLength, expiresAt } = record;
  if (length !== pageSize || codec > 0xff || prefixLength + headLength !== 0 || expiresAt !== 0) {
    throw new ZbudError(
      "EBADMSG",
      `the backing store has a value of ${length} bytes with codec ${codec} here, not a page of ${pageSize} bytes; give the store the options with which the backing store was filled`,
    );
  }
}
