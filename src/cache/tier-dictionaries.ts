import type { BackingKey } from "../backing/index.ts";
import { emptyRecord, RECORD_HEADER_BYTES, type StoredEntry } from "../record/index.ts";
import type { DictionaryUse } from "./dictionary-use.ts";
import { DICTIONARY_CODEC, needsDictionary, slotOf } from "./options.ts";

/** Begins the names of records that hold dictionaries: no key's bytes begin so. */
export const DICTIONARY_NAME = 0xfd;

/** What is needed of a cache. */
interface Core {
  readonly dictionary: DictionaryUse;
  /** Of the codec that new values get. */
  readonly codecId: number;
}

/**
 * A cache's dictionaries as its second tier has them: each is a record, whose name is made of its bytes, and entries name
 * the one that they need.
 */
export class TierDictionaries {
  /** By slot, as far as they were asked for. */
  readonly #names: number[] = [];
  /** By slot: which of them are in the tier, as far as this thread knows. */
  readonly #isThere: boolean[] = [];
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  get count(): number {
    return this.#core.dictionary.trainer.count;
  }

  /** Notes whether one is there, or is being written. */
  note(slot: number, isThere: boolean): void {
    this.#isThere[slot] = isThere;
  }

  /** None is there. */
  forget(): void {
    this.#isThere.length = 0;
  }

  /** The slot of the dictionary that an entry needs and that is not there; -1: none. */
  missing({ codec }: StoredEntry): number {
    const slot = slotOf(codec);
    return needsDictionary(codec) && this.#isThere[slot] !== true ? slot : -1;
  }

  /** Has an entry, in the engine's own record, say by name which dictionary it needs: so the number need not. */
  name(entry: StoredEntry): void {
    if (needsDictionary(entry.codec)) entry.codec = DICTIONARY_CODEC + 256 * this.nameOf(slotOf(entry.codec));
  }

  /** Bytes of {@link record}. */
  recordBytes(slot: number): number {
    const length = this.#core.dictionary.trainer.dictionary(slot)?.length ?? 0;
    return RECORD_HEADER_BYTES + dictionaryName(0).prefix.length + length;
  }

  /** A dictionary as a record. */
  record(slot: number): StoredEntry {
    const dictionary = this.#core.dictionary.trainer.dictionary(slot) ?? new Uint8Array(0);
    const { k0, k1, prefix } = dictionaryName(this.nameOf(slot));
    const bytes = new Uint8Array(prefix.length + dictionary.length);
    bytes.set(prefix);
    bytes.set(dictionary, prefix.length);
    return {
      ...emptyRecord(),
      k0,
      k1,
      bytes,
      prefixLength: prefix.length,
      storedLength: dictionary.length,
      length: dictionary.length,
      codec: this.#core.codecId,
    };
  }

  /** The name of the dictionary in that slot; once it is there it stays the same. */
  nameOf(slot: number): number {
    const { trainer } = this.#core.dictionary;
    this.#names[slot] ??= dictionaryHash(trainer.dictionary(slot)?.slice() ?? new Uint8Array(0));
    return this.#names[slot];
  }

  /** The slot of the dictionary that has this name; -1: none has. */
  slotNamed(name: number): number {
    for (let slot = this.count - 1; slot >= 0; slot--) {
      if (this.nameOf(slot) === name) return slot;
    }
    return -1;
  }
}

export function dictionaryName(dictionary: number): BackingKey {
  const prefix = Uint8Array.of(DICTIONARY_NAME, dictionary, dictionary >> 8, dictionary >> 16);
  return { k0: dictionary, k1: DICTIONARY_NAME, prefix };
}

/** 24 bits, never 0. */
export function dictionaryHash(dictionary: Uint8Array): number {
  let hash = 0x811c_9dc5;
  for (const byte of dictionary) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return (hash ^ (hash >>> 24)) & 0xff_ffff || 1;
}
