/** The tier as players open it. */

import KeyvRedis from "@keyv/redis";
import Keyv from "keyv";
import { type Backing, KeyvBacking } from "../../src/backing/index.ts";
import type { CompressedCache } from "../../src/cache/index.ts";

export interface TierOptions {
  /** `"keyv"`: what nobody tells others through. */
  readonly kind: "redis" | "keyv";
  readonly graceMs: number;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
}

export interface TierPlan extends TierOptions {
  readonly urls: readonly string[];
  readonly isCluster: boolean;
}

export interface OpenTier {
  readonly backing: Backing;
  /** Waits until all are told of what was written before. */
  told(cache: CompressedCache<string>): Promise<void>;
  close(): Promise<void>;
}

/** The promise of docs/backing.md: how old what is read may be. */
export function boundOf({ graceMs, heartbeatMs, timeoutMs }: TierOptions): number {
  return heartbeatMs + timeoutMs + graceMs;
}

export async function openTier(plan: TierPlan): Promise<OpenTier> {
  if (plan.kind === "keyv") return openKeyv(plan);
  await Promise.resolve();
  throw new Error("not yet");
}

function openKeyv({ urls, timeoutMs }: TierPlan): OpenTier {
  const store = new Keyv({ store: new KeyvRedis(urls[0]) });
  store.on("error", () => undefined);
  const backing = new KeyvBacking({ store, timeoutMs });
  return {
    backing,
    told: (cache) => cache.flush(),
    close: async () => {
      await backing.close().catch(() => undefined);
      await store.disconnect().catch(() => undefined);
    },
  };
}
