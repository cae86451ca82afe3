import { integerOption, show, ZbudError } from "../base/index.ts";
import {
  type Codec,
  checkCodec,
  codecById,
  codecNames,
  getCodec,
  type StagedCodec,
  stagedCodec,
} from "../codecs/index.ts";

/** The codecs of one engine in one thread, by the numbers that entries carry. */
export class CodecTable {
  /** What new values are compressed with. */
  current: StagedCodec;
  currentNumber = 0;
  readonly #codecs: (StagedCodec | null)[] = new Array(256).fill(null);
  readonly #resolve: (number: number) => Codec | null;

  /** @throws {ZbudError} `ENOENT` for an unknown name. */
  constructor(codec: string | Codec, resolve: ((number: number) => Codec | null) | null) {
    this.#resolve = resolve ?? (() => null);
    const first = typeof codec === "string" ? getCodec(codec) : codec;
    checkCodec(first);
    this.currentNumber = this.add(first, first.id);
    this.current = this.of(this.currentNumber);
  }

  add(codec: Codec, number: number): number {
    integerOption("a codec's number", number, 1, 255);
    const known = this.#codecs[number];
    if (known !== null && known.codec !== codec) {
      throw new ZbudError(
        "EEXIST",
        `the codec with number ${number} is ${show(known.codec.name)}; choose another`,
      );
    }
    if (known === null) this.#codecs[number] = stagedCodec(codec);
    return number;
  }

  use(number: number): void {
    this.current = this.of(number);
    this.currentNumber = number;
  }

  /** The codec with this number, or null if this thread cannot have it. Another thread may have used any of ours. */
  known(number: number): StagedCodec | null {
    const known = this.#codecs[number];
    if (known !== null) return known;
    const found = this.#resolve(number) ?? registered(number);
    if (found === null) return null;
    this.add(found, number);
    return this.#codecs[number];
  }

  /** @throws {ZbudError} `ENOENT` if this thread does not know it. */
  of(number: number): StagedCodec {
    const known = this.known(number);
    if (known === null) {
      throw new ZbudError(
        "ENOENT",
        `no codec has the number ${number}; known are ${codecNames().join(", ")}: give it to this thread as well`,
      );
    }
    return known;
  }
}

function registered(id: number): Codec | null {
  try {
    return codecById(id);
  } catch {
    return null;
  }
}
