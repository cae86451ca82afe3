/**
 * What a cache or store that processes share must hold: for each key the versions that may be found now, in memory of
 * the test's own. A version is odd where there is a value, and even where there is none; later ones are larger.
 *
 * Whoever changes a key has it for itself, and says what is coming before it calls, and that it is done afterwards. Who
 * dies in between leaves a key that has either. Readers need nothing: what they find must lie between what was done
 * before they asked and what was coming when they were answered.
 */

/** Words of a key. */
const OWNER = 0;
const COMMITTED = 1;
const PENDING = 2;
const SERIAL = 3;
const WORDS = 4;

export class Truth {
  readonly keys: number;
  readonly #words: Int32Array;
  /** Two for each key: when its value expires, at the earliest and at the latest; 0: never. */
  readonly #times: Float64Array;

  /** @param at - byte of the buffer, a multiple of 8. */
  constructor(buffer: SharedArrayBuffer, at: number, keys: number) {
    this.keys = keys;
    this.#times = new Float64Array(buffer, at, 2 * keys);
    this.#words = new Int32Array(buffer, at + 16 * keys, WORDS * keys);
  }

  static bytesOf(keys: number): number {
    return keys * (16 + 4 * WORDS);
  }

  /** Takes a key for changes. False: somebody has it. */
  claim(key: number, owner: number): boolean {
    return Atomics.compareExchange(this.#words, key * WORDS + OWNER, 0, owner) === 0;
  }

  release(key: number): void {
    Atomics.store(this.#words, key * WORDS + OWNER, 0);
  }

  /** Gives back what a process had that is gone. How many keys it was about to change. */
  releaseAll(owner: number): number {
    let changing = 0;
    for (let key = 0; key < this.keys; key++) {
      if (Atomics.load(this.#words, key * WORDS + OWNER) !== owner) continue;
      if (!this.isCertain(key)) changing++;
      this.release(key);
    }
    return changing;
  }

  /** What was done last. */
  committed(key: number): number {
    return Atomics.load(this.#words, key * WORDS + COMMITTED);
  }

  /** What is coming, or was done last. */
  pending(key: number): number {
    return Atomics.load(this.#words, key * WORDS + PENDING);
  }

  isCertain(key: number): boolean {
    return this.committed(key) === this.pending(key);
  }

  /** The version of a change that is coming. The caller has the key. */
  begin(key: number, isLive: boolean): number {
    const version = this.next(key, isLive);
    Atomics.store(this.#words, key * WORDS + PENDING, version);
    return version;
  }

  /** A version that nobody had. */
  next(key: number, isLive: boolean): number {
    const serial = Atomics.add(this.#words, key * WORDS + SERIAL, 1) + 1;
    return 2 * serial + (isLive ? 1 : 0);
  }

  /** Says that a version is what is there. */
  commit(key: number, version: number, from = 0, to = 0): void {
    this.#times[2 * key] = from;
    this.#times[2 * key + 1] = to;
    Atomics.store(this.#words, key * WORDS + COMMITTED, version);
    Atomics.store(this.#words, key * WORDS + PENDING, version);
  }

  /** Says that what was coming did not come. */
  undo(key: number): void {
    Atomics.store(this.#words, key * WORDS + PENDING, this.committed(key));
  }

  /** Says that nothing is there, where that is right and nobody knew. */
  commitNone(key: number): void {
    this.commit(key, this.next(key, false));
  }

  /** Whether a value of a key may have expired by a time. */
  mayBeOver(key: number, now: number): boolean {
    const from = this.#times[2 * key];
    return from !== 0 && now >= from;
  }

  /** Whether it must have. */
  mustBeOver(key: number, now: number): boolean {
    const to = this.#times[2 * key + 1];
    return to !== 0 && now > to;
  }
}
