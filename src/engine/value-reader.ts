import { copyBytes, fillWith, ownBytes, powerOfTwoAtLeast, ZbudError } from "../base/index.ts";
import type { CodecTable } from "./codec-table.ts";
import { EMPTY } from "./parts.ts";
import type { Shard } from "./shard.ts";
import type { FoundEntry, StoredValue } from "./types.ts";

/**
 * Reads values: what was found is staged under the lock, which is one copy, and decompressed after it. What it has is
 * of one thread: the record of what was found, the codecs, and room for bytes that no codec has room for.
 */
export class ValueReader {
  readonly found: FoundEntry;
  readonly #codecs: CodecTable;
  /** Stored bytes of a raw value, and those that this thread has no codec for. */
  #plain: Uint8Array = EMPTY;

  constructor(codecs: CodecTable, found: FoundEntry) {
    this.#codecs = codecs;
    this.found = found;
  }

  /** Copies the stored bytes of what was found to where `decode` takes them from. Expects the lock. */
  stage(shard: Shard, row: number): void {
    const { codec, sameFilled, storedLength } = this.found;
    if (sameFilled) return;
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
      copyBytes(this.#plain, 0, storedLength, target, 0);
    } else {
      const written = this.#codecs.of(codec).decode(storedLength, target);
      if (written !== length) {
        throw new ZbudError("EBADMSG", `a value of ${length} bytes decompressed to ${written}`);
      }
    }
    return length;
  }

  /** See {@link Engine.decodeStored}. */
  decodeStored(value: StoredValue, target: Uint8Array): number {
    const { found } = this;
    found.length = value.length;
    found.storedLength = value.bytesLength;
    found.codec = value.codec;
    found.sameFilled = value.sameFilled;
    found.fill0 = value.fill0;
    found.fill1 = value.fill1;
    if (!value.sameFilled) {
      const staged = value.codec === 0 ? null : this.#codecs.of(value.codec);
      if (staged !== null && !staged.reserve(value.bytesLength)) {
        throw new ZbudError(
          "EBADMSG",
          `${value.bytesLength} bytes are more than this codec makes of a value`,
        );
      }
      if (staged === null) this.#growPlain(value.bytesLength);
      const stage = staged === null ? this.#plain : staged.stage;
      copyBytes(value.bytes, 0, value.bytesLength, stage, staged === null ? 0 : staged.stageAt);
    }
    return this.decode(target);
  }

  #growPlain(bytes: number): void {
    if (this.#plain.length < bytes) this.#plain = ownBytes(powerOfTwoAtLeast(bytes));
  }
}
