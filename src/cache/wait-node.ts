import type { CacheKey } from "./types.ts";

/** What the names of the functions of loads begin with, in stacks. */
export const FRAME = "getOrSet load ";

/** A load, as others wait for it. */
export interface WaitNode {
  readonly key: CacheKey;
  /** The name that its function has in stacks; no other has it. */
  readonly frame: string;
  /** Calls from its context that wait for loads. */
  readonly waits: Set<Wait>;
}

/** A call from the context of one load that waits for another, or for the same. */
export interface Wait {
  readonly by: WaitNode;
  readonly on: WaitNode;
  /** Whether the loader is known to await it. */
  isAwaited: boolean;
  /** Lets it look, since a cycle was closed. */
  wake: () => void;
  isOver: boolean;
}
