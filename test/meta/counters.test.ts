/** The guide to the counters has each of them, and none that there is not. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { CompressedCache } from "../../src/cache/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { ROOT } from "./sources.ts";

const page = readFileSync(join(ROOT, "site/guide/counters.md"), "utf8");

/** The first column of the tables below a heading. */
function namesBelow(heading: string): string[] {
  const [, rest = ""] = page.split(`\n## ${heading}\n`);
  const section = rest.split("\n## ")[0];
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  return rows.flatMap((row) => [...row.split("|")[1].matchAll(/`(\w+)`/g)].map(([, name]) => name));
}

describe("site/guide/counters.md", () => {
  it("has each counter of a cache", () => {
    const cache = new CompressedCache({ maxBytes: "1MiB" });
    const stats = cache.stats();
    cache.close();
    assert.deepEqual(namesBelow("Of a cache").toSorted(), Object.keys(stats).toSorted());
    for (const name of [...Object.keys(stats.dictionary), ...Object.keys(stats.improvement)])
      assert.match(page, new RegExp(`\`${name}\``));
  });

  it("has each counter of a page store", () => {
    const store = new PageStore({ maxBytes: "1MiB" });
    const names = Object.keys(store.stats());
    store.close();
    assert.deepEqual(namesBelow("Of a page store").toSorted(), names.toSorted());
  });
});
