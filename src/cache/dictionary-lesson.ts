import { countOf, currentOf, STATE } from "./dictionary-state.ts";
import type { SharedState } from "./shared-state.ts";

/** All of a cache's dictionaries, by slot, and the slot of the one that new values get; -1: there is none. */
export interface Dictionaries {
  readonly current: number;
  readonly bytes: readonly Uint8Array[];
}

/** What is learned from. */
export interface Lesson {
  readonly samples: readonly Uint8Array[];
  /** The longest dictionary wanted; 0: there is no room for one more. */
  readonly maxBytes: number;
  readonly known: Dictionaries;
}

/** Copies of all that there are. */
export function dictionariesOf(sharedState: SharedState): Dictionaries {
  const word = Atomics.load(sharedState.words, STATE);
  const bytes = Array.from({ length: countOf(word) }, (_, slot) => sharedState.dictionary(slot).slice());
  return { current: currentOf(word), bytes };
}

/** What is to be learned from now: copies. */
export function lessonOf(sharedState: SharedState): Lesson {
  const { words, samples: room, places, shape } = sharedState;
  const samples: Uint8Array[] = [];
  for (let i = 0; i < shape.maxSampleCount; i++) {
    const length = Atomics.load(words, places + 2 * i + 1);
    const at = words[places + 2 * i];
    if (length > 0) samples.push(room.slice(at, at + length));
  }
  const known = dictionariesOf(sharedState);
  const maxBytes = known.bytes.length < shape.maxDictionaries ? shape.maxDictionaryBytes : 0;
  return { samples, maxBytes, known };
}
