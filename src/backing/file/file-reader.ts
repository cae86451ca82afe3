import { waitAtMost, ZbudError } from "../../base/index.ts";
import { decodeRecord, hasName } from "../../record/index.ts";
import type { BackingKey, StoredEntry } from "../types.ts";
import type { FileState } from "./file-state.ts";
import type { IndexKey, RecordPlace } from "./index-table.ts";
import { F_BYTES_READ, F_DAMAGED, F_READS_FAILED, F_RECORDS_READ } from "./index-words.ts";
import { readAll, readAllSync } from "./io.ts";

/** How often a read looks again when its record was replaced while it was being read. */
const TRIES_MAX = 16;

/** What this thread is writing. */
interface UnderWay {
  /** A copy of the bytes of a row, or null if it is none of its. The lock is held. */
  bytesOf(row: number): Uint8Array | null;
}

/** A record that was found, and its bytes if they are in memory, as their write is under way. */
interface Found {
  readonly place: RecordPlace;
  readonly bytes: Uint8Array | null;
}

/** What became of one try: a record, a miss, or that the key's record was replaced meanwhile. */
type Tried = StoredEntry | null | "moved";

/**
 * Reads records without keeping anybody from writing: what was read counts only if its checksum, its key and
 * its sequence are those of the row that was found. If they are not, and the row is still the same, then the
 * bytes are damaged; else its units were used for something else meanwhile, and the read looks again.
 */
export class FileReader {
  readonly #state: FileState;
  readonly #underWay: UnderWay;

  constructor(state: FileState, underWay: UnderWay) {
    this.#state = state;
    this.#underWay = underWay;
  }

  async read(key: BackingKey, signal: AbortSignal | undefined): Promise<StoredEntry | null> {
    const state = this.#state;
    const indexKey = state.indexKey(key.k0, key.k1, key.prefix);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const found = this.#find(indexKey);
      if (found === null) return null;
      const { place } = found;
      if (found.bytes !== null) return this.#judgeOwn(key, found.bytes);
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
      const found = this.#find(indexKey);
      if (found === null) return null;
      const { place } = found;
      if (found.bytes !== null) return this.#judgeOwn(key, found.bytes);
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

  /** Whether a read would find something, as far as the index knows. */
  has(key: IndexKey): boolean {
    const { table, member, locked } = this.#state;
    const place: RecordPlace = { row: 0, sequence: 0, start: 0, bytes: 0 };
    return locked(() => table.find(key, place) || table.findWriting(key, place, member));
  }

  #find(key: IndexKey): Found | null {
    const state = this.#state;
    const place: RecordPlace = { row: 0, sequence: 0, start: 0, bytes: 0 };
    return state.locked(() => {
      if (state.ended) throw state.closedError();
      if (state.table.find(key, place)) return { place, bytes: null };
      if (!state.table.findWriting(key, place, state.member)) return null;
      const bytes = this.#underWay.bytesOf(place.row);
      return bytes === null ? null : { place, bytes };
    });
  }

  /** Judges what this thread itself is writing, as its memory has it. */
  #judgeOwn(key: BackingKey, bytes: Uint8Array): StoredEntry | null {
    const decoded = decodeRecord(bytes, this.#state.storeNumber);
    return decoded === null ? null : this.#accepted(key, decoded.record, bytes.length);
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
    const record = this.#accepted(key, decoded.record, place.bytes);
    if (record === null && this.#isOver(decoded.record)) this.#drop(place);
    return record;
  }

  /** A record that is whole, if it is the key's and has not expired. */
  #accepted(key: BackingKey, record: StoredEntry, bytes: number): StoredEntry | null {
    const state = this.#state;
    // It may have another name of the same checksum.
    if (!hasName(record, key) || this.#isOver(record)) return null;
    state.locked(() => {
      state.count(F_RECORDS_READ);
      state.count(F_BYTES_READ, bytes);
    });
    return record;
  }

  #isOver({ expiresAt }: StoredEntry): boolean {
    return expiresAt !== 0 && expiresAt <= this.#state.clock();
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
