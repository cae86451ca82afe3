/** What the library weighs on a web page: bundled, minified and compressed. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { RenderedModule } from "rolldown";
import { ROOT } from "../../scripts/tools.ts";
import { bundle, bundled } from "./bundle.ts";

/** What a page imports, by the name that README and guide give it, what is true of it, and its bound. */
const PROGRAMS: Record<string, { text: string; use: string; maxBytes: number }> = {
  "an allocator with lz4": {
    text: `
      export { ZbudPool } from "./src/entry/drivers/zbud.ts";
      export { createLz4 } from "./src/entry/codecs.ts";`,
    use: 'typeof new ZbudPool({ maxPages: 16 }).alloc(100) === "number" && createLz4().name === "lz4"',
    maxBytes: 17_800,
  },
  "the page store": {
    text: 'export { PageStore } from "./src/entry/store.ts";',
    use: 'new PageStore({ maxBytes: "1MiB" }).store(1, new Uint8Array(4096)) === "stored"',
    maxBytes: 53_200,
  },
  "a file of the origin": {
    text: 'export { OpfsBacking } from "./src/entry/backing.ts";',
    use: '(await OpfsBacking.open("a", { maxBytes: 65536 }).catch((error) => error.code)) === "ENOTSUP"',
    maxBytes: 17_900,
  },
  "the cache": {
    text: 'export { CompressedCache } from "./src/entry/cache.ts";',
    use: 'new CompressedCache({ maxBytes: "1MiB" }).size === 0',
    maxBytes: 76_800,
  },
};

function gzipped(code: string): number {
  return gzipSync(code, { level: 9 }).length;
}

/** The largest first, each with its share of the code. */
function layersOf(modules: Record<string, RenderedModule>, bytes: number): string {
  const lengths = new Map<string, number>();
  let total = 0;
  for (const [path, { renderedLength }] of Object.entries(modules)) {
    const layer = /src\/(drivers\/[\w-]+|\w+)/.exec(path)?.[1] ?? "";
    lengths.set(layer, (lengths.get(layer) ?? 0) + renderedLength);
    total += renderedLength;
  }
  return [...lengths]
    .sort(([, a], [, b]) => b - a)
    .map(([layer, length]) => `${layer} ${((length / total) * (bytes / 1000)).toFixed(1)}`)
    .join(", ");
}

describe("the size for a bundler", () => {
  for (const [name, { text, use, maxBytes }] of Object.entries(PROGRAMS)) {
    it(`${name}: what README and guide say, gzipped`, async (t) => {
      // What is fetched when it is first called is not in it, where the bundler makes a file of its own of it.
      const { code, modules } = await bundled(text, { minify: true, withoutLater: true });
      const bytes = gzipped(code);
      const all = gzipped(await bundle(text, { minify: true }));
      t.diagnostic(
        `${name}: ${code.length} bytes minified, ${bytes} gzipped; with what is fetched later ${all}`,
      );
      t.diagnostic(`KB of each layer: ${layersOf(modules, bytes)}`);
      assert.ok(bytes < maxBytes, `${name} takes ${bytes} bytes`);
      for (const page of ["README.md", "site/guide/browsers.md"]) {
        const text = readFileSync(join(ROOT, page), "utf8");
        const stated = Number(new RegExp(`${name} takes? (\\d+\\.\\d) KB`).exec(text)?.[1]);
        assert.ok(
          Math.abs(stated * 1000 - bytes) < bytes / 50,
          `${page} says ${stated} KB, and it is ${bytes} bytes`,
        );
      }
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
