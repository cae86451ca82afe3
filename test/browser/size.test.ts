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

/** What a page imports, by the name that the README gives it, what is true of it, and the bound if there is one. */
const PROGRAMS: Record<string, { text: string; use: string; maxBytes?: number }> = {
  "an allocator with lz4": {
    text: `
      export { ZbudPool } from "./src/drivers/zbud/index.ts";
      export { createLz4 } from "./src/codecs/index.ts";`,
    use: 'typeof new ZbudPool({ maxPages: 16 }).alloc(100) === "number" && createLz4().name === "lz4"',
    maxBytes: GZIPPED_BYTES_MAX,
  },
  "the page store": {
    text: 'export { PageStore } from "./src/store/index.ts";',
    use: 'new PageStore({ maxBytes: "1MiB" }).store(1, new Uint8Array(4096)) === "stored"',
  },
  "a file of the origin": {
    text: 'export { OpfsBacking } from "./src/backing/index.ts";',
    use: '(await OpfsBacking.open("a", { maxBytes: 65536 }).catch((error) => error.code)) === "ENOTSUP"',
  },
  "the cache": {
    text: 'export { CompressedCache } from "./src/cache/index.ts";',
    use: 'new CompressedCache({ maxBytes: "1MiB" }).size === 0',
  },
};

describe("the size for a bundler", () => {
  for (const [name, { text, use, maxBytes = Number.POSITIVE_INFINITY }] of Object.entries(PROGRAMS)) {
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
