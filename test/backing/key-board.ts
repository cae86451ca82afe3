import { closeSync, openSync, readSync, writeSync } from "node:fs";

/** Words of a key: the change that was begun last, the one that ended last, and the highest number of one. */
const WORDS = 6;
const BYTES = 4 * WORDS;

/** A change of a key: its number, which is the version of what it writes, and whether it writes or deletes. */
export interface Change {
  readonly version: number;
  readonly writes: boolean;
}

export interface KeyState {
  readonly begun: Change;
  readonly ended: Change;
  readonly top: number;
}

/**
 * A file in which processes write what they are about to do with their keys, and what they have done: whoever looks at
 * it before and after a read knows what the read may give.
 */
export class KeyBoard {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a+");
    closeSync(this.#file);
    this.#file = openSync(path, "r+");
  }

  stateOf(key: number): KeyState {
    const words = new Int32Array(WORDS);
    readSync(this.#file, words, 0, BYTES, key * BYTES);
    const change = (at: number): Change => ({ version: words[at], writes: words[at + 1] === 1 });
    return { begun: change(0), ended: change(2), top: words[4] };
  }

  begin(key: number, change: Change): void {
    this.#write(key, 4, [change.version]);
    this.#write(key, 0, [change.version, change.writes ? 1 : 0]);
  }

  end(key: number, change: Change): void {
    this.#write(key, 2, [change.version, change.writes ? 1 : 0]);
  }

  /** Nobody uses the key: what it has now. */
  set(key: number, change: Change): void {
    const words = [change.version, change.writes ? 1 : 0];
    this.#write(key, 0, [...words, ...words]);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** In one write: it reaches those who read all of it, or nothing of it. */
  #write(key: number, at: number, words: number[]): void {
    writeSync(this.#file, Int32Array.from(words), 0, 4 * words.length, key * BYTES + 4 * at);
  }
}

/**
 * Why a read may not have given what it gave, or null if it may.
 *
 * @param found - the version, or null: a miss.
 * @param mayLose - whether a record may be given up for room.
 */
export function whyWrong(
  before: KeyState,
  found: number | null,
  after: KeyState,
  mayLose: boolean,
): string | null {
  const isQuiet =
    before.begun.version === before.ended.version && after.begun.version === before.begun.version;
  const { ended } = before;
  const story = (): string => JSON.stringify({ before, found, after });
  if (isQuiet) {
    const isRight = found === null ? !ended.writes || mayLose : ended.writes && found === ended.version;
    return isRight ? null : `nobody changed it meanwhile: ${story()}`;
  }
  if (found === null) return null;
  const least = ended.writes ? ended.version : ended.version + 1;
  return found >= least && found <= after.begun.version ? null : `it is too old, or too new: ${story()}`;
}
