import { show, ZbudError } from "../base/index.ts";
import type { FoundEntry, RemovalReason } from "../engine/index.ts";
import { decodeKey } from "./key.ts";
import type { CacheKey } from "./types.ts";

/**
 * What left the cache in a call of this thread. Entries leave while their shard is locked; the listener is
 * called when the call has done its work.
 */
export class RemovalListener {
  readonly #listener: (key: CacheKey, reason: RemovalReason) => void;
  #waiting: { key: Uint8Array; reason: RemovalReason }[] = [];

  constructor(listener: (key: CacheKey, reason: RemovalReason) => void) {
    this.#listener = listener;
  }

  /** Called with the shard's lock held. */
  note(reason: RemovalReason, entry: FoundEntry): void {
    this.#waiting.push({ key: entry.bytes.slice(0, entry.prefixLength), reason });
  }

  /** Tells the listener. If it throws, the rest is told of by the next call. */
  notify(): void {
    while (this.#waiting.length > 0) {
      const told = this.#waiting;
      this.#waiting = [];
      for (let i = 0; i < told.length; i++) {
        try {
          this.#listener(decodeKey(told[i].key, told[i].key.length), told[i].reason);
        } catch (error) {
          this.#waiting = [...told.slice(i + 1), ...this.#waiting];
          throw error;
        }
      }
    }
  }
}

/** @throws {ZbudError} `EINVAL` if the listener is no function. */
export function removalListenerOf(listener: unknown): RemovalListener | null {
  if (listener === undefined) return null;
  if (typeof listener === "function")
    return new RemovalListener(listener as ConstructorParameters<typeof RemovalListener>[0]);
  throw new ZbudError("EINVAL", `onRemoved must be a function, not ${show(listener)}`);
}
