/** What is said of a driver's name where no module of this process has registered one. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";

const PROGRAM = `
  import { CompressedCache } from ${JSON.stringify(new URL("../../src/entry/cache.ts", import.meta.url).href)};
  import { PageStore } from ${JSON.stringify(new URL("../../src/entry/store.ts", import.meta.url).href)};
  for (const [Made, driver] of [[CompressedCache, "zsmalloc"], [PageStore, "size-classes"], [PageStore, "slab"]]) {
    try {
      new Made({ maxBytes: "1MiB", driver });
    } catch ({ code, message }) {
      console.log(code, message);
    }
  }`;

describe("a driver by name, where nobody registered any", () => {
  it("is ENOENT, and a built-in one's value is named with what to import", () => {
    const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", PROGRAM];
    const { stdout, stderr } = spawnSync(process.execPath, flags, { encoding: "utf8" });
    const lines = stdout.trim().split("\n");
    assert.equal(lines.length, 3, stderr);
    for (const line of lines) assert.match(line, /^ENOENT /);
    assert.match(lines[0], /import \{ zsmallocDriver \} from "zbud\/drivers\/zsmalloc"/);
    assert.match(lines[1], /import \{ sizeClassesDriver \} from "zbud\/drivers\/size-classes"/);
    assert.match(lines[2], /"slab" is registered; registered: none/);
  });
});
