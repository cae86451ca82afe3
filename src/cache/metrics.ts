import { builtin } from "../base/index.ts";
import type { CacheMetric } from "./types.ts";

/** What `node:diagnostics_channel` has, or nothing of it elsewhere. */
interface Channel {
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

interface Tracing {
  readonly hasSubscribers: boolean;
  tracePromise<T>(work: () => Promise<T>, context: object): Promise<T>;
}

const diagnostics = builtin<typeof import("node:diagnostics_channel")>("node:diagnostics_channel");

/** Told of every operation: `diagnostics_channel.subscribe("zbud:cache:metrics", …)`. */
export const metrics: Channel = diagnostics?.channel("zbud:cache:metrics") ?? {
  hasSubscribers: false,
  publish: () => undefined,
};

/** Traces `getOrSet`: `diagnostics_channel.tracingChannel("zbud:cache")`. */
export const tracing: Tracing = (diagnostics?.tracingChannel("zbud:cache") as Tracing | undefined) ?? {
  hasSubscribers: false,
  tracePromise: (work) => work(),
};

/** Publishes; callers look at `metrics.hasSubscribers` first, so that nothing is made when nobody listens. */
export function publish(metric: CacheMetric): void {
  metrics.publish(metric);
}
