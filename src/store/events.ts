import type { WriteOutcome } from "../backing/index.ts";
import { builtin } from "../base/index.ts";
import type { LoadResult, StoreResult } from "./types.ts";

/**
 * What is published while somebody listens, in the thread where it happens: every call, and what becomes of pages
 * without one.
 *
 * | op | when | result |
 * | --- | --- | --- |
 * | `"store"` | a page was to be stored | a {@link StoreResult}, or the code of what the codec threw |
 * | `"load"` | a page was looked for in memory | a {@link LoadResult}, or a code: what is stored cannot be read |
 * | `"read"` | and then in the backing store, by `loadAsync` or `loadSync` | `"loaded"`, `"missing"`, or the code of the fault |
 * | `"invalidate"` | a page was to be dropped by its index | `"dropped"`, or `"missing"`: it was not in memory |
 * | `"writeback"` | a page was written to the backing store | `"ok"`, or the code of the fault |
 * | `"evict"` | a page that the backing store has left memory for lack of room | `"ok"` |
 * | `"drop"` | a page was dropped for lack of room (`whenFull: "drop"`): it is gone | `"ok"` |
 *
 * A page that is evicted was written before, at once or long ago: it may be clean since a `flush`. What was thrown has
 * its `code` here, or its `name` where it has none, such as the reason of an AbortSignal.
 */
export interface StoreEvent {
  readonly op: "store" | "load" | "read" | "invalidate" | "writeback" | "evict" | "drop";
  readonly index: number;
  readonly result: string;
}

/** The name of the channel of `node:diagnostics_channel`. */
export const STORE_CHANNEL = "zbud:store";

const channel =
  builtin<typeof import("node:diagnostics_channel")>("node:diagnostics_channel")?.channel(STORE_CHANNEL);

/** Tells of a page by the words of its key, after the call that is under way: that holds a lock. */
export function publishLater(
  op: "writeback" | "evict" | "drop",
  k0: number,
  k1: number,
  outcome: WriteOutcome,
): void {
  if (channel?.hasSubscribers !== true) return;
  const result = typeof outcome === "string" ? outcome : outcome.code;
  queueMicrotask(() => publish(op, k1 * 2 ** 32 + (k0 >>> 0), result));
}

/** Tells of a call that throws. */
export function publishFault(op: StoreEvent["op"], index: number, error: unknown): void {
  if (channel?.hasSubscribers !== true) return;
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  publish(op, index, typeof code === "string" ? code : typeof name === "string" ? name : "error");
}

/** Tells whoever listens to the channel; costs one test if nobody does. */
export function publish(op: StoreEvent["op"], index: number, result: string): void {
  if (channel?.hasSubscribers === true) channel.publish({ op, index, result } satisfies StoreEvent);
}
