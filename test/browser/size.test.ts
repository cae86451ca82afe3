/** What the library weighs on a web page: bundled, minified and compressed. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { ROOT } from "../../scripts/tools.ts";
import { bundle } from "./bundle.ts";

/** The core, an allocator and lz4, takes less than this. */
const GZIPPED_BYTES_MAX = 20_000;

/** What a page imports, by the name that the README gives it, and the bound if there is one. */
const PROGRAMS: Record<string, { text: string; bytesMax?: number }> = {
  "an allocator with lz4": {
    text: `
      export { ZbudPool } from "./src/drivers/zbud/index.ts";
      export { createLz4 } from "./src/codecs/index.ts";`,
    bytesMax: GZIPPED_BYTES_MAX,
  },
  "the page store": { text: 'export { PageStore } from "./src/store/index.ts";' },
  "the cache": { text: 'export { CompressedCache } from "./src/cache/index.ts";' },
};

describe("the size for a bundler", () => {
  for (const [name, { text, bytesMax = Number.POSITIVE_INFINITY }] of Object.entries(PROGRAMS)) {
    it(`${name}: what the README says, gzipped`, async (t) => {
      const code = await bundle(text, { minify: true });
      const bytes = gzipSync(code, { level: 9 }).length;
      t.diagnostic(`${name}: ${code.length} bytes minified, ${bytes} gzipped`);
      assert.ok(bytes < bytesMax, `${name} takes ${bytes} bytes`);
      const readme = readFileSync(join(ROOT, "README.md"), "utf8");
      const stated = Number(new RegExp(`${name} takes? (\\d+\\.\\d) KB`).exec(readme)?.[1]);
      assert.ok(
        Math.abs(stated * 1000 - bytes) < bytes / 10,
        `the README says ${stated} KB, and it is ${bytes} bytes`,
      );
    });
  }
});
