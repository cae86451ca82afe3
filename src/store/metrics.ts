import type { BackingKey, WriteOutcome } from "../backing/index.ts";
import { builtin } from "../base/index.ts";

/**
 * What is published while somebody listens: each call of a store and its result; each page that is written to the
 * backing store (`"ok"`, or the code of the fault); each page dropped for lack of room (`"ok"`).
 */
export interface StoreEvent {
  readonly op: "store" | "load" | "invalidate" | "writeback" | "drop";
  readonly index: number;
  readonly result: string;
}

/** The name of the channel of `node:diagnostics_channel`. */
export const STORE_CHANNEL = "zbud:store";

const channel =
  builtin<typeof import("node:diagnostics_channel")>("node:diagnostics_channel")?.channel(STORE_CHANNEL);

/** Tells of a page by its key, after the call that is under way: that holds a lock. */
export function publishLater(op: "writeback" | "drop", { k0, k1 }: BackingKey, outcome: WriteOutcome): void {
  if (channel?.hasSubscribers !== true) return;
  const result = typeof outcome === "string" ? outcome : outcome.code;
  queueMicrotask(() => publish(op, k1 * 2 ** 32 + (k0 >>> 0), result));
}

/** Tells whoever listens to the channel; costs one test if nobody does. */
export function publish(op: StoreEvent["op"], index: number, result: string): void {
  if (channel?.hasSubscribers === true) channel.publish({ op, index, result } satisfies StoreEvent);
}
