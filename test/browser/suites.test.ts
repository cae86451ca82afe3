/** The library's own tests, run by Chromium: on the main thread and in a worker, isolated or not. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser } from "playwright-core";
import { filesUnder } from "../../scripts/tools.ts";
import { bundle, needsNode } from "./bundle.ts";
import { launchChromium } from "./chromium.ts";
import { failuresOf, type Place, runTests, testFiles } from "./run.ts";
import { serve } from "./server.ts";

/** Where the tests of what runs in browsers lie. Of these, the files that need nothing of Node are run. */
const FOLDERS = [
  "base",
  "memory",
  "zpool",
  "pool",
  "drivers",
  "engine",
  "trace",
  "store",
  "cache",
  "backing",
];
/**
 * Faults of the memory source do not depend on the engine, and at each allocation in turn take minutes there. The
 * family's cases of the store are about codecs that only Node has, those of a flush compress anew with deflate and
 * count turns of Node's event loop, Keyv is for servers, options of a clock need one that is faked, and a page of the
 * documentation is read from a file.
 */
const ONLY_IN_NODE =
  /\/faults\.test\.ts$|^test\/(?:base\/options|store\/(?:family|flush)|backing\/keyv|cache\/from-lru-cache)/;
/** Tests that are not to drop out of the list by an import of Node's. */
const MUST_RUN = [
  "test/drivers/zbud/contract.test.ts",
  "test/drivers/slots/contract.test.ts",
  "test/drivers/zsmalloc/contract.test.ts",
  "test/drivers/log/contract.test.ts",
  "test/drivers/zbud/property.test.ts",
  "test/engine/model.test.ts",
  "test/backing/memory.test.ts",
  "test/store/model.test.ts",
  "test/cache/property.test.ts",
  "test/trace/fixtures.test.ts",
  "test/zpool/registry.test.ts",
];

const suites = filesUnder("test", ".test.ts").filter(
  (file) => FOLDERS.includes(file.split("/")[1]) && !ONLY_IN_NODE.test(file) && !needsNode(file),
);
const OWN = ["codecs", "platform", "opfs", "cache-tier"].map((name) => `test/browser/page/${name}.ts`);
/** What runs everywhere: every driver's contract, the traces, and the properties of engine, store and cache. */
const ESSENTIAL = /^test\/(?:drivers\/\w+\/contract|trace\/fixtures|\w+\/model|cache\/[\w-]+)\.test\.ts$/;
const essential = [...suites.filter((file) => ESSENTIAL.test(file)), ...OWN];
const everything = [...suites, ...OWN];

describe("in Chromium", () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  it("every test that has to run there does", () => {
    for (const file of MUST_RUN) assert.ok(suites.includes(file), `${file} needs Node now`);
  });

  for (const isolated of [true, false]) {
    const kind = isolated ? "a cross-origin isolated page" : "a page that is not isolated";
    describe(kind, () => {
      for (const place of ["the main thread", "a worker"] satisfies Place[]) {
        const tests = isolated && place === "a worker" ? everything : essential;
        it(`${place} passes the tests of ${tests.length} files`, { timeout: 600_000 }, async (t) => {
          const server = await serve(await testFiles(tests), isolated);
          const results = await runTests(browser, server.origin, place);
          await server.close();
          t.diagnostic(`${results.length} tests in Chromium ${browser.version()}, ${place} of ${kind}`);
          assert.ok(results.length > 100, `only ${results.length} tests ran`);
          assert.equal(failuresOf(results), "");
        });
      }
    });
  }

  it("a main thread shares a lock and a pool with workers", async () => {
    const files = await testFiles(["test/browser/page/lock.ts"]);
    const helper = await bundle(
      'import { work } from "./test/browser/page/lock.ts"; onmessage = ({ data }) => work(data);',
    );
    const server = await serve((path) => (path === "/tests/helper.js" ? helper : files(path)), true);
    const results = await runTests(browser, server.origin, "the main thread");
    await server.close();
    assert.equal(results.length, 3);
    assert.equal(failuresOf(results), "");
  });

  it("a test that fails there fails here", async () => {
    const server = await serve(await testFiles(["test/browser/page/planted.ts"]), false);
    const results = await runTests(browser, server.origin, "the main thread");
    await server.close();
    assert.equal(results.length, 20);
    assert.deepEqual(
      results.filter(({ outcome }) => outcome !== "failed").map(({ name }) => name),
      [],
    );
  });
});
