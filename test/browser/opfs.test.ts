/** What a store over OPFS keeps when its page is loaded anew, and what a second tab is told. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser } from "playwright-core";
import { bundle } from "./bundle.ts";
import { launchChromium, openPage } from "./chromium.ts";
import { serve, type TestServer } from "./server.ts";

const WORKER = `
  import { work } from "./test/browser/page/opfs-worker.ts";
  work().then((told) => postMessage(told), (error) => postMessage(error.message));`;
const IN_WORKER = `new Promise((resolve, reject) => {
  const worker = new Worker("/worker.js", { type: "module" });
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => reject(new Error(event.message));
})`;

describe("a page with a store over OPFS", () => {
  let browser: Browser;
  let server: TestServer;
  before(async () => {
    browser = await launchChromium();
    const worker = await bundle(WORKER);
    const files: Record<string, string> = {
      "/": "<!doctype html><title>OPFS</title>",
      "/worker.js": worker,
    };
    server = await serve((path) => files[path], false);
  });
  after(async () => {
    await server.close();
    await browser.close();
  });

  it("has its pages after it was loaded anew, as often as that is", async () => {
    const { page, complaints, close } = await openPage(browser, `${server.origin}/`);
    assert.deepEqual(await page.evaluate(IN_WORKER), { found: "new", pages: 0 });
    for (let round = 0; round < 3; round++) {
      // The worker ends with its page, without a close.
      await page.reload();
      assert.deepEqual(await page.evaluate(IN_WORKER), { found: "flushed", pages: 300 });
    }
    const tab = await page.context().newPage();
    await tab.goto(`${server.origin}/`);
    assert.match(String(await tab.evaluate(IN_WORKER)), /in use by another tab or worker.*EBUSY/);
    assert.deepEqual(complaints, []);
    await close();
  });
});
