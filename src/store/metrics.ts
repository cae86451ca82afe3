import { builtin } from "../base/index.ts";

/** What is published for each call of a store while somebody listens. */
export interface StoreEvent {
  readonly op: "store" | "load" | "invalidate";
  readonly index: number;
  readonly result: string;
}

/** The name of the channel of `node:diagnostics_channel`. */
export const STORE_CHANNEL = "zbud:store";

const channel =
  builtin<typeof import("node:diagnostics_channel")>("node:diagnostics_channel")?.channel(STORE_CHANNEL);

/** Tells whoever listens to the channel; costs one test if nobody does. */
export function publish(op: StoreEvent["op"], index: number, result: string): void {
  if (channel?.hasSubscribers === true) channel.publish({ op, index, result } satisfies StoreEvent);
}
