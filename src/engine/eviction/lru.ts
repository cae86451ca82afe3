import type { EvictionPolicy } from "./policy.ts";
import type { EntryQueue } from "./queue.ts";

/** The least recently used entry goes first: whatever is used moves to the queue's front. */
export class Lru implements EvictionPolicy {
  readonly byPage: boolean;
  readonly #queue: EntryQueue;

  constructor(queue: EntryQueue, byPage = false) {
    this.#queue = queue;
    this.byPage = byPage;
  }

  inserted(row: number): void {
    this.#queue.add(row);
  }

  touched(row: number): void {
    this.#queue.moveFirst(row);
  }

  removed(row: number): void {
    this.#queue.remove(row);
  }

  replaced(old: number, row: number): void {
    this.#queue.addBehind(row, old);
  }

  first(): number {
    return this.#queue.last();
  }

  start(): number {
    return this.first();
  }

  next(row: number): number {
    return this.#queue.before(row);
  }

  repair(): void {}

  fault(): string | null {
    return null;
  }
}
