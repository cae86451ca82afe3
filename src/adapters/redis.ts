/// <reference lib="esnext.disposable" preserve="true" />

import type { Backing } from "../backing/index.ts";
import { checkServer } from "./redis/commands.ts";
import { linkOf } from "./redis/link.ts";
import { type RedisTierOptions, readOptions } from "./redis/options.ts";
import { RedisBacking } from "./redis/redis-backing.ts";

export type { RedisTierOptions } from "./redis/options.ts";

/**
 * Opens a tier in a Redis or Valkey server (6 and later), or a cluster, that several machines share as one truth: give it to
 * a `CompressedCache` as `backing`. What one machine sets or deletes, by key, by tag or all, the others drop from memory as
 * soon as the server tells, and at the latest after `heartbeatMs + timeoutMs + graceMs`. See docs/backing.md.
 *
 * @param client - connected: of `redis` (5 and later), `ioredis` or `iovalkey`. Whoever made it closes it, after the tier.
 *   Beside one of the latter two the tier has a client of its own, with the same settings.
 * @throws {ZbudError} (as a rejection) `EINVAL` for a client or an option that is none; `ENOTSUP`, `EACCES`: the server is too
 *   old to tell of changes, or the user may not be told; `EIO`, `ETIMEDOUT`: it does not answer.
 */
export async function redisTier(
  client: object,
  options: RedisTierOptions = {},
): Promise<Backing & AsyncDisposable> {
  const given = readOptions(options);
  const link = linkOf(client);
  const settings = { ...given, prefix: link.keyPrefix + given.prefix };
  try {
    await checkServer(link, Buffer.from(settings.prefix), settings.timeoutMs, settings.ttlMs === 0);
  } catch (error) {
    link.close();
    throw error;
  }
  return new RedisBacking(link, settings);
}
