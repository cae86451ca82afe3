/** Codecs in browsers: lz4 and none are all there, what needs Node says so. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CompressedCache } from "../../../src/cache/index.ts";
import { codecById, codecNames, createLz4, getCodec } from "../../../src/codecs/index.ts";
import { PageStore } from "../../../src/store/index.ts";
import { codecContract } from "../../contracts/codec.ts";
import { isCode } from "../../support/is-code.ts";

codecContract({ name: "lz4" }, () => createLz4());
codecContract({ name: "none", compresses: false }, () => getCodec("none"));

describe("codecs that need Node", () => {
  it("have their names, and are ENOTSUP with the way out", () => {
    assert.deepEqual(codecNames().slice(0, 4), ["none", "lz4", "zstd", "deflate"]);
    for (const [name, id] of [
      ["zstd", 3],
      ["deflate", 4],
    ] as const) {
      assert.throws(() => getCodec(name), isCode("ENOTSUP", name, "lz4"));
      const codec = codecById(id);
      const bytes = new Uint8Array(100);
      assert.throws(() => codec.compress(bytes, new Uint8Array(100)), isCode("ENOTSUP", name, "lz4"));
      assert.throws(() => codec.decompress(bytes, new Uint8Array(100)), isCode("ENOTSUP", name, "lz4"));
    }
  });

  it("are ENOTSUP where they are chosen, also for what is cold", () => {
    const maxBytes = "1MiB";
    for (const name of ["zstd", "deflate"]) {
      for (const options of [
        { maxBytes, codec: name },
        { maxBytes, recompress: name },
      ]) {
        assert.throws(() => new PageStore(options), isCode("ENOTSUP", name, "lz4"));
      }
      assert.throws(() => new CompressedCache({ maxBytes, codec: name }), isCode("ENOTSUP", name, "lz4"));
    }
    const cold = () => new CompressedCache({ maxBytes, recompress: "zstd" });
    assert.throws(cold, isCode("ENOTSUP", "zstd", "lz4"));
  });
});
