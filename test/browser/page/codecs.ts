/** Codecs in browsers: lz4 and none are all there, what needs Node says so. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { codecNames, createLz4, getCodec } from "../../../src/codecs/index.ts";
import { codecContract } from "../../contracts/codec.ts";
import { isCode } from "../../support/is-code.ts";

codecContract({ name: "lz4" }, () => createLz4());
codecContract({ name: "none", compresses: false }, () => getCodec("none"));

describe("codecs that need Node", () => {
  it("have their names, and are ENOTSUP with the way out", () => {
    assert.deepEqual(codecNames().slice(0, 4), ["none", "lz4", "zstd", "deflate"]);
    for (const name of ["zstd", "deflate"]) {
      const codec = getCodec(name);
      const bytes = new Uint8Array(100);
      assert.throws(() => codec.compress(bytes, new Uint8Array(100)), isCode("ENOTSUP", name, "lz4"));
      assert.throws(() => codec.decompress(bytes, new Uint8Array(100)), isCode("ENOTSUP", name, "lz4"));
    }
  });
});
