/** What the library weighs on a web page: bundled, minified and compressed. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { ROOT } from "../../scripts/tools.ts";
import { bundle } from "./bundle.ts";

/** What a page imports, by the name that the README gives it, what is true of it, and its bound. */
const PROGRAMS: Record<string, { text: string; use: string; maxBytes: number }> = {
  "an allocator with lz4": {
    text: `
      export { ZbudPool } from "./src/entry/drivers/zbud.ts";
      export { createLz4 } from "./src/entry/codecs.ts";`,
    use: 'typeof new ZbudPool({ maxPages: 16 }).alloc(100) === "number" && createLz4().name === "lz4"',
    maxBytes: 18_000,
  },
  "the page store": {
    text: 'export { PageStore } from "./src/entry/store.ts";',
    use: 'new PageStore({ maxBytes: "1MiB" }).store(1, new Uint8Array(4096)) === "stored"',
    maxBytes: 64_000,
  },
  "a file of the origin": {
    text: 'export { OpfsBacking } from "./src/entry/backing.ts";',
    use: '(await OpfsBacking.open("a", { maxBytes: 65536 }).catch((error) => error.code)) === "ENOTSUP"',
    maxBytes: 15_000,
  },
  "the cache": {
    text: 'export { CompressedCache } from "./src/entry/cache.ts";',
    use: 'new CompressedCache({ maxBytes: "1MiB" }).size === 0',
    maxBytes: 82_000,
  },
};

describe("the size for a bundler", () => {
  for (const [name, { text, use, maxBytes }] of Object.entries(PROGRAMS)) {
    it(`${name}: what the README says, gzipped`, async (t) => {
      const code = await bundle(text, { minify: true });
      const bytes = gzipSync(code, { level: 9 }).length;
      t.diagnostic(`${name}: ${code.length} bytes minified, ${bytes} gzipped`);
      assert.ok(bytes < maxBytes, `${name} takes ${bytes} bytes`);
      const readme = readFileSync(join(ROOT, "README.md"), "utf8");
      const stated = Number(new RegExp(`${name} takes? (\\d+\\.\\d) KB`).exec(readme)?.[1]);
      assert.ok(
        Math.abs(stated * 1000 - bytes) < bytes / 10,
        `the README says ${stated} KB, and it is ${bytes} bytes`,
      );
    });

    it(`${name}: the bundle works by itself`, async () => {
      const code = `${await bundle(text)}\nexport default ${use};`;
      const { default: did } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
        default: unknown;
      };
      assert.equal(did, true);
    });
  }
});
