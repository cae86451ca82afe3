import { ownBytes, powerOfTwoAtLeast } from "../base/index.ts";
import { Lz4 } from "./lz4/lz4.ts";
import type { Codec, StagedCodec } from "./types.ts";

/** The staged form of a codec, in this thread. */
export function stagedCodec(codec: Codec): StagedCodec {
  return codec instanceof Lz4 ? codec.staged() : new Staged(codec);
}

/** Views of the stage are kept up to this length. */
const KEPT_BYTES_MAX = 8192;

class Staged implements StagedCodec {
  readonly codec: Codec;
  stage: Uint8Array = ownBytes(8192);
  readonly stageAt: number = 0;
  #views: (Uint8Array | undefined)[] = [];

  constructor(codec: Codec) {
    this.codec = codec;
  }

  reserve(bytes: number): boolean {
    if (bytes > this.stage.length) {
      this.stage = ownBytes(powerOfTwoAtLeast(bytes));
      this.#views = [];
    }
    return true;
  }

  encode(source: Uint8Array, length: number, room: number): number {
    this.reserve(room);
    const whole = length === source.length ? source : source.subarray(0, length);
    return this.codec.compress(whole, this.#view(room));
  }

  decode(bytes: number, target: Uint8Array): number {
    return this.codec.decompress(this.#view(bytes), target);
  }

  #view(length: number): Uint8Array {
    if (length > KEPT_BYTES_MAX) return this.stage.subarray(0, length);
    let view = this.#views[length];
    if (view === undefined) {
      view = this.stage.subarray(0, length);
      this.#views[length] = view;
    }
    return view;
  }
}
