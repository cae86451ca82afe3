import type { BackingKey } from "../backing/index.ts";
import { emptyRecord, type StoredEntry } from "../record/index.ts";
import { DICTIONARIES_MAX, RUNS_MAX, type RunNotes } from "./shared-state.ts";

/*
 * What a cache leaves in its second tier about itself, so that the next one on the same file can believe what it
 * evicted: which tags were deleted when, and which dictionary its values were compressed with. One record:
 *
 *   words 0 … 4   run, last stamp, stamp of the last clear, stamp of the last change that the tier was not told of,
 *                 name of the dictionary or 0
 *   word 5, 6     how many runs before it are known, how many places of tags follow
 *   then          number and last stamp of each of those runs; place and stamp of each of the tags; names of up to
 *                 three other dictionaries
 *
 * All int32, little-endian. The record has a checksum of its own in the file.
 */
const HEAD_WORDS = 7;
const PLACES_MAX = 2048;
/** Begins the name of this record: no key's bytes begin so, and no dictionary's name. */
const NOTES_NAME = 0xfc;

export const NOTES_KEY: BackingKey = { k0: 0, k1: NOTES_NAME, prefix: Uint8Array.of(NOTES_NAME) };

export interface TierNotes extends RunNotes {
  /** The name of its dictionary, or 0. */
  readonly dictionary: number;
  /** Names of those before it. */
  readonly others: readonly number[];
}

export function notesRecord(notes: TierNotes): StoredEntry {
  const { run, stamp, cleared, tierVoid, dictionary, runs, tags, others } = notes;
  const words = [run, stamp, cleared, tierVoid, dictionary, runs.length, tags.length];
  words.push(...runs.flat(), ...tags.flat(), ...others);
  const { k0, k1, prefix } = NOTES_KEY;
  const bytes = new Uint8Array(prefix.length + 4 * words.length);
  bytes.set(prefix);
  const view = new DataView(bytes.buffer, prefix.length);
  for (const [i, word] of words.entries()) view.setInt32(4 * i, word, true);
  const length = 4 * words.length;
  return { ...emptyRecord(), k0, k1, bytes, prefixLength: prefix.length, storedLength: length, length };
}

/** Null for what was not written by {@link notesRecord}: it is a file's, and may be anything. */
export function readNotes({ bytes, prefixLength, storedLength, codec }: StoredEntry): TierNotes | null {
  if (codec !== 0 || storedLength < 4 * HEAD_WORDS || bytes.length < prefixLength + storedLength) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + prefixLength, storedLength);
  const [run, stamp, cleared, tierVoid, dictionary, runCount, tagCount] = wordsOf(view, 0, HEAD_WORDS);
  const isRight =
    run > 0 &&
    stamp >= 0 &&
    cleared <= stamp &&
    tierVoid <= stamp &&
    runCount >= 0 &&
    runCount <= RUNS_MAX &&
    tagCount >= 0 &&
    tagCount <= PLACES_MAX &&
    storedLength % 4 === 0;
  const othersAt = HEAD_WORDS + 2 * runCount + 2 * tagCount;
  const otherCount = storedLength / 4 - othersAt;
  if (!isRight || otherCount < 0 || otherCount >= DICTIONARIES_MAX) return null;
  const runs = pairsOf(wordsOf(view, HEAD_WORDS, 2 * runCount));
  const tags = pairsOf(wordsOf(view, HEAD_WORDS + 2 * runCount, 2 * tagCount));
  if (!tags.every(([place, at]) => place >= 0 && place < PLACES_MAX && at <= stamp)) return null;
  return {
    run,
    stamp,
    cleared,
    tierVoid,
    dictionary,
    runs,
    tags,
    others: wordsOf(view, othersAt, otherCount),
  };
}

function wordsOf(view: DataView, from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => view.getInt32(4 * (from + i), true));
}

function pairsOf(words: readonly number[]): [number, number][] {
  return Array.from({ length: words.length / 2 }, (_, i) => [words[2 * i], words[2 * i + 1]]);
}
