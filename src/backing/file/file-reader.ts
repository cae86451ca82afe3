import { waitAtMost, ZbudError } from "../../base/index.ts";
import { decodeRecord, hasName } from "../../record/index.ts";
import type { BackingKey, StoredEntry } from "../types.ts";
import type { FileState } from "./file-state.ts";
import { readAll, readAllSync } from "./io.ts";
import type { IndexKey, Slot } from "./slot-table.ts";
import { F_BYTES_READ, F_DAMAGED, F_READS_FAILED, F_RECORDS_READ } from "./slot-words.ts";

/** How often a read looks again when its record was replaced while it was being read. */
const TRIES_MAX = 16;

/** What became of one try: a record, a miss, or that the key's record was replaced meanwhile. */
type Tried = StoredEntry | null | "moved";

/**
 * Reads records without keeping anybody from writing: what was read counts only if its checksum, its key and
 * its sequence are those of the row that was found. If they are not, and the row is still the same, then the
 * bytes are damaged; else its units were used for something else meanwhile, and the read looks again.
 */
export class FileReader {
  readonly #state: FileState;

  constructor(state: FileState) {
    this.#state = state;
  }

  async read(key: BackingKey, signal: AbortSignal | undefined): Promise<StoredEntry | null> {
    const state = this.#state;
    const indexKey = state.indexKey(key.k0, key.k1, key.prefix);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const slot = this.#find(indexKey);
      if (slot === null) return null;
      const bytes = new Uint8Array(slot.bytes);
      let read: number;
      try {
        const reading = readAll(state.io, state.file, bytes, state.positionOf(slot.start));
        read = await waitAtMost(reading, state.settings.timeoutMs, () => state.timeout("a read"), signal);
      } catch (cause) {
        if (signal?.aborted && cause === signal.reason) throw cause;
        throw this.#failed(cause);
      }
      const tried = this.#judge(key, slot, bytes, read);
      if (tried !== "moved") return tried;
    }
    return null;
  }

  readSync(key: BackingKey): StoredEntry | null {
    const state = this.#state;
    const indexKey = state.indexKey(key.k0, key.k1, key.prefix);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const slot = this.#find(indexKey);
      if (slot === null) return null;
      const bytes = new Uint8Array(slot.bytes);
      let read: number;
      try {
        read = readAllSync(state.io, state.file, bytes, state.positionOf(slot.start));
      } catch (cause) {
        throw this.#failed(cause);
      }
      const tried = this.#judge(key, slot, bytes, read);
      if (tried !== "moved") return tried;
    }
    return null;
  }

  #find(key: IndexKey): Slot | null {
    const state = this.#state;
    const slot: Slot = { row: 0, sequence: 0, start: 0, bytes: 0 };
    return state.locked(() => {
      if (state.ended) throw state.closedError();
      return state.table.find(key, slot) ? slot : null;
    });
  }

  #judge(key: BackingKey, slot: Slot, bytes: Uint8Array, read: number): Tried {
    const state = this.#state;
    const decoded = read === bytes.length ? decodeRecord(bytes, state.storeNumber) : null;
    if (decoded === null || decoded.sequence !== slot.sequence) {
      if (!this.#drop(slot, F_DAMAGED)) return "moved";
      const short = read < bytes.length ? `; the file ends ${bytes.length - read} bytes before it does` : "";
      throw new ZbudError(
        "EBADMSG",
        `${state.settings.path}: the record of ${slot.bytes} bytes at ${state.positionOf(slot.start)} is damaged and was given up${short}`,
      );
    }
    // Another name of the same checksum.
    if (!hasName(decoded.record, key)) return null;
    const { expiresAt } = decoded.record;
    if (expiresAt !== 0 && expiresAt <= state.clock()) {
      this.#drop(slot);
      return null;
    }
    state.locked(() => {
      state.count(F_RECORDS_READ);
      state.count(F_BYTES_READ, slot.bytes);
    });
    return decoded.record;
  }

  /** Drops a record unless its key has moved on. @returns whether it was there. */
  #drop(slot: Slot, counter?: number): boolean {
    const state = this.#state;
    return state.locked(() => {
      if (!state.table.isCurrent(slot)) return false;
      state.table.removeLive(slot.row);
      if (counter !== undefined) state.count(counter);
      return true;
    });
  }

  #failed(cause: unknown): ZbudError {
    const state = this.#state;
    state.locked(() => state.count(F_READS_FAILED));
    return state.fault("a read failed", cause);
  }
}
