/** The data set in compressed memory of the documentation, and the program of the guide for browsers, in a real browser. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser } from "playwright-core";
import { buildPage, SEARCH } from "../../scripts/build-pages.ts";
import { compatLines } from "../../scripts/compat-lines.ts";
import { ROOT } from "../../scripts/tools.ts";
import { bundle } from "./bundle.ts";
import { DESK, keepPicture, launchChromium, openPage, PHONE } from "./chromium.ts";
import { serve, type TestServer } from "./server.ts";

const PROGRAM = /```ts\n(?<program>(?:(?!```).)*?)```\n+```text\n(?<output>(?:(?!```).)*?)```/s;

describe("the data set of the documentation", () => {
  const lines = compatLines(["css", "html", "http", "javascript"]);
  let browser: Browser;
  let server: TestServer;

  before(async () => {
    const { html } = await buildPage(SEARCH);
    const files: Record<string, string> = { "/index.html": html, "/features.jsonl": `${lines.join("\n")}\n` };
    server = await serve((path) => files[path], false);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  for (const [name, size] of [
    ["phone", PHONE],
    ["desk", DESK],
  ] as const) {
    it(`keeps a data set in compressed memory and finds what is in it, ${name}`, async () => {
      const { page, complaints, close } = await openPage(browser, `${server.origin}/index.html`, size);
      const found = page.getByRole("status");
      const all = lines.length.toLocaleString("en");
      await found.filter({ hasText: `of ${all} features; all were decompressed and read` }).waitFor();
      const place = await page.locator("h2").boundingBox();
      const input = page.getByLabel("A feature of");
      await input.fill("grid-template-areas");
      await found.filter({ hasText: /^[1-9]\d? of / }).waitFor();
      assert.match((await page.getByRole("row").nth(1).textContent()) ?? "", /grid-template-areas\d/);
      await input.fill("<b>no.such(feature");
      await found.filter({ hasText: /^0 of/ }).waitFor();
      assert.deepEqual(await page.locator("h2").boundingBox(), place, "what is below moved");

      const saved = (await page.locator("#saved").textContent()) ?? "";
      const ratio = Number(/^[\d,]+ records take ([\d.]+) times less/.exec(saved)?.[1]);
      assert.ok(ratio > 2.5, saved);
      const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(width <= 0, `the page is ${width} pixels too wide`);
      await input.fill("grid");
      await found.filter({ hasText: /^\d\d+ of/ }).waitFor();
      await keepPicture(page, `site-search-${name}`);
      assert.deepEqual(complaints, []);
      await close();
    });
  }

  it("says so if its text is not there", async (t) => {
    const { html } = await buildPage(SEARCH);
    const empty = await serve((path) => (path === "/index.html" ? html : undefined), false);
    t.after(() => empty.close());
    const { page, close } = await openPage(browser, `${empty.origin}/index.html`);
    await page.getByRole("status").filter({ hasText: "does not work: features.jsonl: 404" }).waitFor();
    await close();
  });

  it("the guide's program prints the same in a browser as in Node", async (t) => {
    const guide = readFileSync(join(ROOT, "site/guide/browsers.md"), "utf8");
    const { program, output } = PROGRAM.exec(guide)?.groups ?? {};
    const script = await bundle(program.replace('"zbud/cache"', '"./src/entry/cache.ts"'));
    const page = `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/program.js"></script>`;
    const files: Record<string, string> = { "/index.html": page, "/program.js": script };
    const programs = await serve((path) => files[path], false);
    t.after(() => programs.close());
    const context = await browser.newContext();
    const tab = await context.newPage();
    const said: string[] = [];
    tab.on("console", (message) => said.push(message.text()));
    tab.on("pageerror", (error) => said.push(String(error)));
    const lines = output.trim().split("\n");
    const last = tab.waitForEvent("console", (message) => message.text() === lines.at(-1));
    await tab.goto(`${programs.origin}/index.html`);
    await last;
    assert.deepEqual(said, lines);
    await context.close();
  });
});
