import { isLockBusy, type ZbudError } from "../base/index.ts";
import { type Codec, getCodec } from "../codecs/index.ts";
import type { Engine } from "../engine/index.ts";
import { BLOCK_BYTES } from "../record/index.ts";
import { codecWith } from "./dictionary-codec.ts";
import { DictionaryTrainer } from "./dictionary-trainer.ts";
import { slotOf, warmCodec } from "./options.ts";
import type { SharedState } from "./shared-state.ts";
import type { ValueCodec } from "./values.ts";

/** One of so many values is compressed without the dictionary as well. A prime: sets often come in patterns. */
const WEIGH_EVERY = 127;

/** What a cache that betters itself works on. */
export interface Improved {
  readonly engine: Engine;
  readonly dictionary: DictionaryUse;
  readonly clock: () => number;
  /** Of the codec that new values get without a dictionary. */
  readonly codecId: number;
  /** Whether what is cold may get the stronger codec; and whether with the dictionary. */
  readonly recompresses: boolean;
  readonly recompressesWithDictionary: boolean;
  /** Whether an entry keeps its version until it is put again. */
  readonly keepsVersions: boolean;
}

/** Who lends room for a value. */
interface Scratches {
  readonly engine: Engine;
  borrow(length: number): Uint8Array;
  giveBack(): void;
}

/** The dictionaries of a cache as one thread uses them: it helps to learn them, and takes into use what is there. */
export class DictionaryUse {
  readonly trainer: DictionaryTrainer;
  readonly #sharedState: SharedState;
  readonly #codecName: string | null;
  readonly #codecs: Map<number, Codec> = new Map();
  /** Of the dictionary that new values of this thread get; -1: none. */
  #slot = -1;
  #untilWeighed = WEIGH_EVERY;

  constructor(sharedState: SharedState, codecName: string | null) {
    this.trainer = new DictionaryTrainer(sharedState);
    this.#sharedState = sharedState;
    this.#codecName = codecName;
  }

  /** The codec that has this number, of one that needs a dictionary; null if there is none (yet). */
  codec(number: number): Codec | null {
    const known = this.#codecs.get(number);
    if (known !== undefined) return known;
    const dictionary = this.trainer.dictionary(slotOf(number));
    if (dictionary === null || this.#codecName === null) return null;
    const codec = codecWith(this.#codecName, dictionary.slice(), number);
    this.#codecs.set(number, codec);
    return codec;
  }

  /** Offers a value that is about to be set, as long as the trainer is not settled. */
  offer<V>(engine: Engine, values: ValueCodec<V>): void {
    this.trainer.offer(values.bytes, values.length, engine);
    this.#use(engine);
  }

  /** The slot of the dictionary that new values of this thread get, from now on if it is there by now; -1: none. */
  slot(engine: Engine): number {
    this.#use(engine);
    return this.#slot;
  }

  /** Has these dictionaries, and uses the last one, unless there is one or samples are being learned from. */
  adopt(engine: Engine, dictionaries: readonly Uint8Array[]): void {
    if (this.trainer.settled) return;
    this.trainer.settle(dictionaries, engine);
    this.#use(engine);
  }

  /** Counts what the dictionary saved with a value that was stored, if it is its turn. */
  count<V>(values: ValueCodec<V>, scratches: Scratches): void {
    if (--this.#untilWeighed > 0) return;
    this.#untilWeighed = WEIGH_EVERY;
    try {
      // Another thread may have begun to learn again, or found another one.
      this.#use(scratches.engine);
      this.#weigh(values, scratches);
    } catch (error) {
      // No memory for it, or another thread keeps the lock: the value is stored, and only not counted.
      if (!isLockBusy(error) && !isOutOfMemory(error)) throw error;
    }
  }

  #weigh<V>({ bytes, length }: ValueCodec<V>, scratches: Scratches): void {
    const { engine } = scratches;
    let [plain, own] = [0, 0];
    const codec = this.#slot < 0 || length === 0 ? null : this.codec(warmCodec(this.#slot));
    if (codec !== null) {
      // Of a long one the first block, which is what a codec takes.
      const value = bytes.subarray(0, Math.min(length, BLOCK_BYTES));
      const target = scratches.borrow(value.length).subarray(0, value.length);
      try {
        plain = getCodec(this.#codecName as string).compress(value, target) || value.length;
        own = codec.compress(value, target) || value.length;
      } finally {
        scratches.giveBack();
      }
      this.#sharedState.addSaved((plain - own) * WEIGH_EVERY);
    }
    this.trainer.weighed(length, plain, own, engine);
  }

  /** If there is another dictionary by now, new values get it. */
  #use(engine: Engine): void {
    const slot = this.trainer.look();
    if (slot < 0 || slot === this.#slot) return;
    try {
      // The engine asks for it by `resolveCodec`, if it did not already to read what another thread wrote.
      engine.useCodec(warmCodec(slot));
      this.#slot = slot;
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      // Its codec needs memory of its own. Until there is some, values are kept without it.
      this.trainer.postpone(error);
    }
  }
}

function isOutOfMemory(error: unknown): boolean {
  return (error as Partial<ZbudError> | null)?.code === "ENOMEM";
}
