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

/** The codecs of one engine in one thread, by the slots that entries carry. */
export class CodecTable {
  /** What new values are compressed with. */
  current: StagedCodec;
  currentSlot = 0;
  readonly #slots: (StagedCodec | null)[] = new Array(256).fill(null);
  readonly #resolve: (slot: number) => Codec | null;

  /** @throws {ZbudError} `ENOENT` for an unknown name. */
  constructor(codec: string | Codec, resolve: ((slot: number) => Codec | null) | null) {
    this.#resolve = resolve ?? (() => null);
    const first = typeof codec === "string" ? getCodec(codec) : codec;
    checkCodec(first);
    this.currentSlot = this.add(first, first.id);
    this.current = this.of(this.currentSlot);
  }

  add(codec: Codec, slot: number): number {
    integerOption("a codec's slot", slot, 1, 255);
    const known = this.#slots[slot];
    if (known !== null && known.codec !== codec) {
      throw new ZbudError("EEXIST", `slot ${slot} has the codec ${show(known.codec.name)}; choose another`);
    }
    if (known === null) this.#slots[slot] = stagedCodec(codec);
    return slot;
  }

  use(slot: number): void {
    this.current = this.of(slot);
    this.currentSlot = slot;
  }

  /** The codec of a slot, or null if this thread cannot have it. Another thread may have used any of ours. */
  known(slot: number): StagedCodec | null {
    const known = this.#slots[slot];
    if (known !== null) return known;
    const found = this.#resolve(slot) ?? registered(slot);
    if (found === null) return null;
    this.add(found, slot);
    return this.#slots[slot];
  }

  /** @throws {ZbudError} `ENOENT` if this thread does not know it. */
  of(slot: number): StagedCodec {
    const known = this.known(slot);
    if (known === null) {
      throw new ZbudError(
        "ENOENT",
        `no codec in slot ${slot}; known are ${codecNames().join(", ")}: add it to this engine in this thread as well`,
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
