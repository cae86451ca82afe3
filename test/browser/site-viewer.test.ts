import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser } from "playwright-core";
import { buildPage, DEMO } from "../../scripts/build-pages.ts";
import { keepPicture, launchChromium, openPage, PHONE } from "./chromium.ts";

const TRACE = join(import.meta.dirname, "../fixtures/traces/uniform-evict-all.jsonl");

describe("the viewer of the documentation", () => {
  let browser: Browser;
  let server: Server;
  let url = "";

  before(async () => {
    const { html } = await buildPage(DEMO);
    const trace = readFileSync(TRACE);
    server = createServer((request, response) => {
      if (request.url === "/") response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.end(request.url === "/" ? html : trace);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    server?.close();
    server?.closeAllConnections();
  });

  it("plays a trace on a real pool in the page, with no server behind it", async () => {
    const { page, complaints, close } = await openPage(browser, url, { ...PHONE, colorScheme: "light" });
    const output = page.locator(".player output");
    await output.filter({ hasText: /^1,200 of 6,000/ }).waitFor();
    await page
      .locator(".facts")
      .filter({ hasText: /^\d+ pages of 4 KiB/ })
      .waitFor();
    await page.getByRole("button", { name: "One operation" }).click();
    await output.filter({ hasText: /^1,201 of 6,000 · \w/ }).waitFor();
    await page.getByRole("button", { name: "Play" }).click();
    await output.filter({ hasText: /^1,2[1-9]\d|^1,[3-9]/ }).waitFor();
    await page.getByRole("slider").fill("6000");
    await output.filter({ hasText: /^6,000 of 6,000/ }).waitFor();
    assert.doesNotMatch((await output.textContent()) ?? "", /otherwise/);
    await keepPicture(page, "site-viewer");
    assert.deepEqual(complaints, []);
    await close();
  });
});
