import { ZbudError } from "../base/index.ts";
import { type Codec, getCodec } from "../codecs/index.ts";
import type { Engine } from "../engine/index.ts";
import { BLOCK_BYTES } from "../record/index.ts";
import { codecWith } from "./dictionary-codec.ts";
import { DictionaryTrainer } from "./dictionary-trainer.ts";
import { DICTIONARY_CODEC } from "./options.ts";
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
  borrow(length: number): Uint8Array;
  giveBack(): void;
}

/** The dictionary of a cache as one thread uses it: it helps to learn it, and takes it into use once it is there. */
export class DictionaryUse {
  readonly trainer: DictionaryTrainer;
  readonly #sharedState: SharedState;
  readonly #codecName: string | null;
  readonly #codecs: Map<number, Codec> = new Map();
  #isUsed = false;
  #untilWeighed = WEIGH_EVERY;

  constructor(sharedState: SharedState, codecName: string | null) {
    this.trainer = new DictionaryTrainer(sharedState);
    this.#sharedState = sharedState;
    this.#codecName = codecName;
  }

  /** The codec with the dictionary that has this number; null if there is none (yet). */
  codec(number: number = DICTIONARY_CODEC): Codec | null {
    const known = this.#codecs.get(number);
    if (known !== undefined) return known;
    const dictionary = this.trainer.dictionary();
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

  /** Whether new values of this thread get a dictionary, from now on if there is one by now. */
  isUsed(engine: Engine): boolean {
    if (!this.#isUsed) this.#use(engine);
    return this.#isUsed;
  }

  /** Uses this dictionary, unless there is one or samples are being learned from. */
  adopt(engine: Engine, dictionary: Uint8Array): void {
    if (this.trainer.settled) return;
    this.trainer.settle(dictionary, engine);
    this.#use(engine);
  }

  /** Counts what the dictionary saved with a value that was stored, if it is its turn. */
  count<V>(values: ValueCodec<V>, scratches: Scratches): void {
    if (!this.#isUsed || --this.#untilWeighed > 0) return;
    this.#untilWeighed = WEIGH_EVERY;
    const codec = this.codec();
    if (codec === null || this.#codecName === null || values.length === 0) return;
    // Of a long one the first block, which is what a codec takes.
    const value = values.bytes.subarray(0, Math.min(values.length, BLOCK_BYTES));
    try {
      const target = scratches.borrow(value.length).subarray(0, value.length);
      try {
        const stored = (by: Codec): number => by.compress(value, target) || value.length;
        this.#sharedState.addSaved((stored(getCodec(this.#codecName)) - stored(codec)) * WEIGH_EVERY);
      } finally {
        scratches.giveBack();
      }
    } catch (error) {
      // No memory for it: the value is stored, and only not counted.
      if (!(error instanceof ZbudError) || error.code !== "ENOMEM") throw error;
    }
  }

  /** If there is a dictionary by now, new values get it. */
  #use(engine: Engine): void {
    if (!this.trainer.becameReady()) return;
    try {
      // The engine asks for it by `resolveCodec`, if it did not already to read what another thread wrote.
      engine.useCodec(DICTIONARY_CODEC);
      this.#isUsed = true;
    } catch (error) {
      if (!(error instanceof ZbudError) || error.code !== "ENOMEM") throw error;
      // Its codec needs memory of its own. Until there is some, values are kept without it.
      this.trainer.postpone(error);
    }
  }
}
