/**
 * Which entry of a shard goes next. A policy is one file in this folder and one line in `index.ts`. What it keeps of
 * an entry is its place in the queue and the bits STATE_EVICTION of its state, and of the shard the word W_EVICTION
 * (table.ts): they are in shared memory, so all threads see one order, and a thread may die between any two of
 * their changes. What it has in fields is of one thread, and of one search.
 *
 * Called with the shard's lock held. `inserted`, `touched` and `removed` are part of every put, hit and removal:
 * a few instructions, and nothing that grows with the number of entries.
 */
export interface EvictionPolicy {
  /** Whether a whole page is freed, in its pool's own order, before entries go one by one. */
  readonly byPage: boolean;
  /** An entry came. After a thread died, called anew for all of them, the last to go last. */
  inserted(row: number): void;
  /** An entry was used. */
  touched(row: number): void;
  /** An entry goes, for whatever reason. */
  removed(row: number): void;
  /** The value of `old` is in `row` from here on, which takes its place; `old` is removed after that. */
  replaced(old: number, row: number): void;
  /** The entry to go first, or 0: there is none. */
  first(): number;
  /** Where the search for that begins, or 0: for who only looks what will go soon. It changes nothing. */
  start(): number;
  /** The one to go if `row`, which was given last, has to stay; or 0: there is none. */
  next(row: number): number;
  /** After a thread died, when all entries were inserted anew: makes the rest right. */
  repair(): void;
  /** What is wrong with what it keeps, or null. */
  fault(): string | null;
}
