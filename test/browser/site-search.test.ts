/** The search of the documentation, and the program of the guide for browsers, in a real browser. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser } from "playwright-core";
import { buildPage, SEARCH } from "../../scripts/build-pages.ts";
import { sectionsOf } from "../../scripts/site-text.ts";
import { filesUnder, ROOT } from "../../scripts/tools.ts";
import { bundle } from "./bundle.ts";
import { DESK, keepPicture, launchChromium, openPage, PHONE } from "./chromium.ts";
import { serve, type TestServer } from "./server.ts";

const PAGES = [...filesUnder("docs", ".md"), ...filesUnder("site/guide", ".md")];
const PROGRAM = /```ts\n(?<program>(?:(?!```).)*?)```\n+```text\n(?<output>(?:(?!```).)*?)```/s;

describe("the search of the documentation", () => {
  const sections = sectionsOf(ROOT, PAGES);
  let browser: Browser;
  let server: TestServer;

  before(async () => {
    const { html } = await buildPage(SEARCH);
    const text = sections.map((section) => `${JSON.stringify(section)}\n`).join("");
    const files: Record<string, string> = { "/search/index.html": html, "/search/text.jsonl": text };
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
    it(`keeps all text in compressed memory and finds what is in it, ${name}`, async () => {
      const { page, complaints, close } = await openPage(browser, `${server.origin}/search/index.html`, size);
      const found = page.getByRole("status");
      await found.filter({ hasText: "decompressed and read" }).waitFor();
      await page.getByLabel("Words to look for").fill("node-cache stdTTL");
      await found.filter({ hasText: /^[1-9]\d? of [\d,]+ sections have these words/ }).waitFor();
      const link = page.getByRole("link").first();
      assert.equal(await link.getAttribute("href"), "../site/guide/from-node-cache.html");
      assert.match((await page.locator("mark").first().textContent()) ?? "", /^(?:node-cache|stdttl)$/i);

      await page.getByLabel("Words to look for").fill("<b>no.such(word");
      await found.filter({ hasText: /^0 of/ }).waitFor();

      const saved = (await page.locator("#saved").textContent()) ?? "";
      const ratio = Number(/take ([\d.]+) times less/.exec(saved)?.[1]);
      assert.ok(ratio > 1.5, saved);
      const { length } = sections;
      assert.ok(saved.startsWith(`${length.toLocaleString("en")} sections`), `${length}: ${saved}`);
      const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(width <= 0, `the page is ${width} pixels too wide`);
      await page.getByLabel("Words to look for").fill("reclaim page");
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
    await page.getByRole("status").filter({ hasText: "does not work: text.jsonl: 404" }).waitFor();
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
