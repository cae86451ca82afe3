/** What is no cache is refused when an adapter is made, not at its first use. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import promClient from "prom-client";
import { bentoDriver } from "../../src/adapters/bentocache.ts";
import { keyv5Store, keyvStore } from "../../src/adapters/keyv.ts";
import { nextCacheHandler } from "../../src/adapters/next.ts";
import { collectMetrics } from "../../src/adapters/prom-client.ts";
import { undiciStore } from "../../src/adapters/undici.ts";
import { unstorageDriver } from "../../src/adapters/unstorage.ts";
import { testCache } from "./caches.ts";

const ADAPTERS: Record<string, (cache: never) => unknown> = {
  keyvStore,
  keyv5Store,
  nextCacheHandler,
  undiciStore,
  unstorageDriver,
  bentoDriver: (cache: never) => bentoDriver({ cache }),
};

describe("an adapter refuses", () => {
  for (const [name, make] of Object.entries(ADAPTERS)) {
    it(`${name} of what is no cache`, () => {
      for (const bad of [undefined, null, {}, new Map(), "cache"]) {
        assert.throws(() => make(bad as never), {
          name: "ZbudError",
          code: "EINVAL",
          message: new RegExp(`^${name}\\(.* takes a CompressedCache`),
        });
      }
      make(testCache() as never);
    });
  }

  it("bentoDriver of a cache itself", () => {
    assert.throws(() => bentoDriver(testCache() as never), {
      code: "EINVAL",
      message: /bentoDriver\(\{ cache \}\)/,
    });
  });

  it("collectMetrics of what has no figures, and of what is not prom-client", () => {
    const cache = testCache();
    for (const bad of [undefined, {}, 5]) {
      assert.throws(() => collectMetrics(promClient, bad as never), { code: "EINVAL", message: /a cache/ });
      assert.throws(() => collectMetrics(bad as never, cache), { code: "EINVAL", message: /prom-client/ });
    }
    assert.throws(() => collectMetrics(cache as never, promClient as never), { code: "EINVAL" });
  });
});
