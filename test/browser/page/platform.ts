/** Shared memory in browsers: there in isolated pages, and a clear refusal elsewhere. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CompressedCache } from "../../../src/cache/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { attachPool, createPool, ZbudPool, zbudDriver } from "../../../src/drivers/index.ts";
import { driverTypes } from "../../../src/pool/index.ts";
import { PageStore } from "../../../src/store/index.ts";
import { isCode } from "../../support/is-code.ts";

describe("shared: true", () => {
  if (crossOriginIsolated) {
    it("knows no thread by a number, so that none is told to be gone", () => {
      const pool = new ZbudPool({ maxPages: 16, shared: true });
      const other = zbudDriver.attach(pool.share());
      const refusal = isCode("EINVAL", "-1", "workers have no such number");
      assert.throws(() => pool.threadGone(-1), refusal);
      assert.equal(pool.recover(), 0);
      other.close();
      pool.close();
    });

    it("shares a pool of every driver between two views of it", () => {
      for (const type of driverTypes()) {
        const pool = createPool(type, { maxPages: 16, shared: true });
        const other = attachPool(pool.share());
        const handle = pool.alloc(100);
        if (typeof handle === "string") assert.fail(handle);
        pool.write(handle, new Uint8Array(100).fill(5));
        const bytes = new Uint8Array(100);
        assert.equal(other.read(handle, bytes), 100);
        assert.deepEqual(bytes, new Uint8Array(100).fill(5));
        other.free(handle);
        verify(pool);
        other.close();
        pool.close();
      }
    });
  } else {
    it("is ENOTSUP, and says which headers it needs", () => {
      const refusal = isCode("ENOTSUP", "Cross-Origin-Opener-Policy", "Cross-Origin-Embedder-Policy");
      assert.throws(() => new ZbudPool({ maxPages: 16, shared: true }), refusal);
      for (const type of driverTypes()) {
        assert.throws(() => createPool(type, { maxPages: 16, shared: true }), refusal, type);
      }
      assert.throws(() => new CompressedCache({ maxBytes: "1MiB", shared: true }), refusal);
      assert.throws(() => new PageStore({ pageSize: 4096, maxBytes: "1MiB", shared: true }), refusal);
    });
  }
});
