/** Writes of one record each that were begun before somebody waited for them. */
interface Group {
  left: number;
  /** Called when the last of them has ended; null while nobody waits. */
  end: (() => void) | null;
  readonly onEnd: (outcomes: unknown) => void;
  readonly onFailure: () => void;
}

/**
 * Writes that were handed over, so that one can wait for them. To add one makes nothing but the promise that it is:
 * what is called at its end is one function for all that are waited for together.
 */
export class WritesUnderWay {
  readonly #count: (outcomes: unknown) => void;
  /** What somebody waits for. */
  readonly #waited: Set<Promise<unknown>> = new Set();
  #group: Group;

  /** @param count - given what each ended with; null if it gave no answer. */
  constructor(count: (outcomes: unknown) => void) {
    this.#count = count;
    this.#group = this.#newGroup();
  }

  add(written: Promise<unknown>): void {
    const group = this.#group;
    group.left++;
    // One that is no promise, against the contract, is what it ended with.
    Promise.resolve(written).then(group.onEnd, group.onFailure);
  }

  /** Adds what counts by itself, and never rejects. */
  addCounted(written: Promise<void>): void {
    this.#waited.add(written);
    void written.then(() => this.#waited.delete(written));
  }

  /** When all that were added before have ended. */
  async ended(): Promise<void> {
    const group = this.#group;
    if (group.left > 0) {
      this.#group = this.#newGroup();
      const ending = new Promise<void>((resolve) => {
        group.end = resolve;
      });
      this.addCounted(ending);
    }
    await Promise.all(this.#waited);
  }

  #newGroup(): Group {
    const ended = (outcomes: unknown): void => {
      this.#count(outcomes);
      if (--group.left === 0) group.end?.();
    };
    const group: Group = { left: 0, end: null, onEnd: ended, onFailure: () => ended(null) };
    return group;
  }
}
