import { copyBytes, fillWith, ownBytes, powerOfTwoAtLeast, ZbudError } from "../base/index.ts";
import { BLOCK_BYTES, decodeBlocks, decodeValue, isInBlocks, type StoredEntry } from "../record/index.ts";
import type { CodecTable } from "./codec-table.ts";
import { EMPTY } from "./parts.ts";
import type { Shard } from "./shard.ts";
import type { FoundEntry } from "./types.ts";

/**
 * Reads values: what was found is staged under the lock, which is one copy, and decompressed after it. What it has is
 * of one thread: the record of what was found, the codecs, and room for bytes that no codec has room for.
 */
export class ValueReader {
  readonly found: FoundEntry;
  readonly #codecs: CodecTable;
  /** Stored bytes of a raw value, and those that this thread has no codec for. */
  #plain: Uint8Array = EMPTY;
  /** Stored bytes of a value of several blocks, until something else is staged. */
  #long: Uint8Array = EMPTY;

  constructor(codecs: CodecTable, found: FoundEntry) {
    this.#codecs = codecs;
    this.found = found;
  }

  /** Copies the stored bytes of what was found to where `decode` takes them from. Expects the lock. */
  stage(shard: Shard, row: number): void {
    const { codec, sameFilled, storedLength, length } = this.found;
    if (this.#long !== EMPTY) this.#long = EMPTY;
    if (sameFilled) return;
    if (length > BLOCK_BYTES) {
      this.#long = ownBytes(storedLength);
      shard.stageStored(row, this.#long, 0);
      return;
    }
    const staged = codec === 0 ? null : this.#codecs.known(codec);
    if (staged?.reserve(storedLength) === true) {
      shard.stageStored(row, staged.stage, staged.stageAt);
      return;
    }
    this.#growPlain(storedLength);
    shard.stageStored(row, this.#plain, 0);
  }

  /** See {@link Engine.decode}. */
  decode(target: Uint8Array): number {
    const { length, storedLength, sameFilled, codec } = this.found;
    if (target.length < length) {
      throw new ZbudError("EINVAL", `the value has ${length} bytes and the buffer ${target.length}`);
    }
    if (sameFilled) {
      fillWith(target, length, this.found.fill0, this.found.fill1);
    } else if (codec === 0) {
      if (storedLength !== length) {
        throw new ZbudError("EBADMSG", `a value of ${length} bytes is kept in ${storedLength} bytes`);
      }
      copyBytes(length > BLOCK_BYTES ? this.#long : this.#plain, 0, storedLength, target, 0);
    } else if (isInBlocks(this.found)) {
      decodeBlocks(this.#long, 0, storedLength, this.#codecs.of(codec).codec, target, length);
    } else {
      const written = this.#codecs.of(codec).decode(storedLength, target);
      if (written !== length) {
        throw new ZbudError("EBADMSG", `a value of ${length} bytes decompressed to ${written}`);
      }
    }
    return length;
  }

  /** {@link decode} to an array of the value's own, with exactly its bytes. Not twice for what was found. */
  decodeOwn(): Uint8Array {
    const { length, storedLength, codec, sameFilled } = this.found;
    if (length > BLOCK_BYTES && codec === 0 && !sameFilled && storedLength === length) {
      const own = this.#long;
      this.#long = EMPTY;
      return own;
    }
    const own = ownBytes(length);
    if (length > 0) this.decode(own);
    return own;
  }

  /** See {@link Engine.decodeStored}. */
  decodeStored(entry: StoredEntry, target: Uint8Array): number {
    const { found } = this;
    const { storedLength, codec } = entry;
    found.length = entry.length;
    found.storedLength = storedLength;
    found.codec = codec;
    found.sameFilled = entry.sameFilled;
    found.fill0 = entry.fill0;
    found.fill1 = entry.fill1;
    if (entry.length > BLOCK_BYTES) {
      const known = codec === 0 ? null : this.#codecs.of(codec).codec;
      decodeValue(entry, known, target.subarray(0, entry.length));
      return entry.length;
    }
    if (!entry.sameFilled) {
      const staged = codec === 0 ? null : this.#codecs.of(codec);
      if (staged !== null && !staged.reserve(storedLength)) {
        throw new ZbudError("EBADMSG", `${storedLength} bytes are more than this codec makes of a value`);
      }
      if (staged === null) this.#growPlain(storedLength);
      const stage = staged === null ? this.#plain : staged.stage;
      const start = entry.prefixLength + entry.headLength;
      copyBytes(entry.bytes, start, start + storedLength, stage, staged === null ? 0 : staged.stageAt);
    }
    return this.decode(target);
  }

  #growPlain(bytes: number): void {
    if (this.#plain.length < bytes) this.#plain = ownBytes(powerOfTwoAtLeast(bytes));
  }
}
