import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { buildWorker, embedWorker, WORKER_MODULE } from "../../scripts/build-worker.ts";
import { lineOf, ROOT, readTree, walkSyntax } from "./sources.ts";

/** They look for a package that is installed beside the program, and do without. */
const ADDRESS_KNOWN = ["src/codecs/zstd.ts", "src/memory/libc.ts"];

describe("what the library needs at run time", () => {
  it("it finds no file by its own address: in a bundle, that is elsewhere or nowhere", () => {
    for (const [path, text] of readTree(["src"], [".ts"])) {
      // The command line is a bundle of our own, and never part of another.
      if (ADDRESS_KNOWN.includes(path) || path.startsWith("src/cli/")) continue;
      walkSyntax(path, text, ({ type, start }) => {
        assert.notEqual(type, "MetaProperty", `${path}:${lineOf(text, start)} uses import.meta`);
      });
    }
  });
});

describe("the worker that is embedded", () => {
  it(`${WORKER_MODULE} is what its sources make: else run node scripts/build-worker.ts`, async () => {
    const made = embedWorker(await buildWorker());
    assert.ok(made === readFileSync(join(ROOT, WORKER_MODULE), "utf8"), "it is out of date");
  });

  it("it needs nothing beside it, and has no second copy of the lz4 module", async () => {
    const code = await buildWorker();
    assert.doesNotMatch(code, /\bimport\b|\brequire\b|\bexport\b/);
    assert.ok(code.length < 12_500, `${code.length} characters`);
  });
});
