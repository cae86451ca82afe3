import { waitAtMost, ZbudError } from "../../base/index.ts";
import { decodeRecord, hasName } from "../../record/index.ts";
import type { BackingKey, StoredEntry } from "../types.ts";
import type { FileState } from "./file-state.ts";
import type { IndexKey, RecordPlace } from "./index-table.ts";
import { F_BYTES_READ, F_DAMAGED, F_READS_FAILED, F_RECORDS_READ } from "./index-words.ts";
import { readAll, readAllSync } from "./io.ts";

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
      const place = this.#find(indexKey);
      if (place === null) return null;
      const bytes = new Uint8Array(place.bytes);
      let read: number;
      try {
        const reading = readAll(state.io, state.file, bytes, state.positionOf(place.start));
        read = await waitAtMost(reading, state.settings.timeoutMs, () => state.timeout("a read"), signal);
      } catch (cause) {
        if (signal?.aborted && cause === signal.reason) throw cause;
        throw this.#failed(cause);
      }
      const tried = this.#judge(key, place, bytes, read);
      if (tried !== "moved") return tried;
    }
    return null;
  }

  readSync(key: BackingKey): StoredEntry | null {
    const state = this.#state;
    const indexKey = state.indexKey(key.k0, key.k1, key.prefix);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const place = this.#find(indexKey);
      if (place === null) return null;
      const bytes = new Uint8Array(place.bytes);
      let read: number;
      try {
        read = readAllSync(state.io, state.file, bytes, state.positionOf(place.start));
      } catch (cause) {
        throw this.#failed(cause);
      }
      const tried = this.#judge(key, place, bytes, read);
      if (tried !== "moved") return tried;
    }
    return null;
  }

  #find(key: IndexKey): RecordPlace | null {
    const state = this.#state;
    const place: RecordPlace = { row: 0, sequence: 0, start: 0, bytes: 0 };
    return state.locked(() => {
      if (state.ended) throw state.closedError();
      return state.table.find(key, place) ? place : null;
    });
  }

  #judge(key: BackingKey, place: RecordPlace, bytes: Uint8Array, read: number): Tried {
    const state = this.#state;
    const decoded = read === bytes.length ? decodeRecord(bytes, state.storeNumber) : null;
    if (decoded === null || decoded.sequence !== place.sequence) {
      if (!this.#drop(place, F_DAMAGED)) return "moved";
      const short = read < bytes.length ? `; the file ends ${bytes.length - read} bytes before it does` : "";
      throw new ZbudError(
        "EBADMSG",
        `${state.settings.path}: the record of ${place.bytes} bytes at ${state.positionOf(place.start)} is damaged and was given up${short}`,
      );
    }
    // Another name of the same checksum.
    if (!hasName(decoded.record, key)) return null;
    const { expiresAt } = decoded.record;
    if (expiresAt !== 0 && expiresAt <= state.clock()) {
      this.#drop(place);
      return null;
    }
    state.locked(() => {
      state.count(F_RECORDS_READ);
      state.count(F_BYTES_READ, place.bytes);
    });
    return decoded.record;
  }

  /** Drops a record unless its key has moved on. @returns whether it was there. */
  #drop(place: RecordPlace, counter?: number): boolean {
    const state = this.#state;
    return state.locked(() => {
      if (!state.table.isCurrent(place)) return false;
      state.table.removeLive(place.row);
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
