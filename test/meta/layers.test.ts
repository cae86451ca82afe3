import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { layerViolations } from "./layers.ts";
import { readTree } from "./sources.ts";

describe("layers", () => {
  it("imports of src/ go downwards only, through front doors", () => {
    const tree = readTree(["src"], [".ts"]);
    assert.ok(tree.has("src/base/index.ts"), "the sources were found");
    assert.deepEqual(layerViolations(tree), []);
  });

  const ALLOWED: [string, string][] = [
    ["src/memory/page-memory.ts", 'import { assert } from "../base/index.ts";'],
    ["src/drivers/zbud/zbud-pool.ts", 'import { Prng } from "../../base/index.ts";'],
    ["src/drivers/zbud/zbud-pool.ts", 'import { decode } from "./handle.ts";'],
    ["src/store/store.ts", 'import { slotsDriver } from "../drivers/slots/index.ts";'],
    ["src/drivers/index.ts", 'export { driver } from "./zbud/driver.ts";'],
    ["src/store/store.ts", 'import type { Codec } from "../codecs/index.ts";'],
    ["src/cli/main.ts", 'import { Command } from "commander"; import "../estimate/index.ts";'],
    ["src/cli/main.ts", 'import manifest from "../../package.json" with { type: "json" };'],
    ["src/entry/index.ts", 'export { createPool } from "../drivers/index.ts"; import "../trace/index.ts";'],
    ["src/entry/drivers/zbud.ts", 'export { ZbudPool } from "../../drivers/zbud/index.ts";'],
    ["src/entry/keyv.ts", 'export { keyvStore } from "../adapters/keyv.ts";'],
    ["src/codecs/zstd.ts", 'const zstd = await import("zstd-napi");'],
    ["src/estimate/process.ts", 'import { openSync } from "node:fs";'],
  ];
  for (const [path, text] of ALLOWED) {
    it(`allowed: ${path}: ${text}`, () => {
      assert.deepEqual(layerViolations(new Map([[path, text]])), []);
    });
  }

  const PLANTED: [string, string, RegExp][] = [
    ["src/base/errors.ts", 'import { Pool } from "../zpool/index.ts";', /zpool is not below base/],
    ["src/memory/index.ts", 'import type { A } from "../drivers/index.ts";', /drivers is not below memory/],
    ["src/codecs/lz4/lz4.ts", 'import { a } from "../../memory/index.ts";', /memory is not below codecs/],
    ["src/drivers/zbud/fit.ts", 'export * from "../../codecs/index.ts";', /codecs is not below drivers/],
    ["src/trace/replay.ts", 'type T = import("../estimate/index.ts").T;', /estimate is not below trace/],
    ["src/trace/replay.ts", 'await import("../cli/index.ts");', /cli is not below trace/],
    [
      "src/cache/cache.ts",
      'new Worker(new URL("../cli/main.ts", import.meta.url));',
      /cli is not below cache/,
    ],
    ["src/zpool/zpool.ts", 'import { show } from "../base/errors.ts";', /front door of base/],
    [
      "src/entry/index.ts",
      'export { ZbudPool } from "../drivers/zbud/zbud-pool.ts";',
      /front door of drivers/,
    ],
    ["src/store/store.ts", 'import "../drivers/slots/driver.ts";', /front door of drivers/],
    ["src/pool/pool.ts", 'import "../drivers/slots/index.ts";', /drivers is not below pool/],
    ["src/entry/index.ts", 'import "../cli/index.ts";', /above the public entries/],
    ["src/estimate/report.ts", 'import { createPool } from "../entry/index.ts";', /public entries/],
    ["src/cli/main.ts", 'import { createPool } from "../entry/index.ts";', /public entries/],
    ["src/index.ts", 'export { createPool } from "./drivers/index.ts";', /nothing lies beside/],
    ["src/estimate/report.ts", 'import { run } from "../../bench/harness.ts";', /outside src/],
    ["src/estimate/report.ts", 'import { Command } from "commander";', /no dependencies/],
    ["src/codecs/lz4.ts", 'const lz4 = require("lz4-napi");', /no dependencies/],
    ["src/entry/index.ts", 'import "zbud/codecs";', /no dependencies/],
    ["src/memory/page-memory.ts", 'import "../helpers.ts";', /nothing lies beside/],
    ["src/helpers/a.ts", 'import "../base/index.ts";', /not a layer/],
  ];
  for (const [path, text, why] of PLANTED) {
    it(`caught: ${path}: ${text}`, () => {
      const violations = layerViolations(new Map([[path, `// a comment\n${text}`]]));
      assert.equal(violations.length, 1);
      assert.match(violations[0], why);
      assert.ok(violations[0].startsWith(`${path}:2 `), "the line is named");
    });
  }
});
