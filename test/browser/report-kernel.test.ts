import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { temporaryFolder } from "../../scripts/tools.ts";
import { bytesText, countText, timeText } from "../../src/base/index.ts";
import { estimateHtml } from "../../src/cli/estimate-html.ts";
import { codecText, estimateKernel, type KernelEstimate } from "../../src/estimate/index.ts";
import { type KernelFiles, OLD_ZSWAP, writeKernelFiles, ZRAM_IN_USE } from "../estimate/kernel-host.ts";
import { noise, partlyNoisy } from "../estimate/noisy-data.ts";
import { launchChromium, openPage, PHONE, tabStops } from "./chromium.ts";
import { checkLook, LOOKS } from "./looks.ts";

/** A name that would run if it were ever read as HTML. */
const HOSTILE = `</script><img src=x onerror="document.title='owned'"><b>&amp;`;

const folder = temporaryFolder("report-kernel");

async function pageOf(
  name: string,
  files: KernelFiles,
  bytes: Uint8Array,
): Promise<{ url: string; shown: KernelEstimate }> {
  const root = writeKernelFiles(join(folder, `machine-${name}`), files);
  const shown = await estimateKernel(
    { bytes, label: HOSTILE },
    { sampleBytes: "all", dictionaryFile: "/etc/zram/zbud.dict", machineHost: { root, release: "6.12.9" } },
  );
  const file = join(folder, `${name}.html`);
  writeFileSync(file, estimateHtml({ kernel: shown }));
  return { url: pathToFileURL(file).href, shown };
}

describe("the page of a kernel estimate", () => {
  let browser: Browser;
  let url: string;
  let shown: KernelEstimate;

  before(async () => {
    const bytes = Buffer.concat([
      partlyNoisy(600, 4096, 900, 1),
      Buffer.alloc(100 * 4096),
      noise(100 * 4096, 2),
    ]);
    ({ url, shown } = await pageOf("zram", ZRAM_IN_USE, bytes));
    browser = await launchChromium();
  });
  after(() => browser?.close());

  for (const look of LOOKS) {
    it(`${look}: lines, tables and charts are not cut off; axe finds nothing`, () =>
      checkLook(browser, url, look, "report-kernel"));
  }

  it("on a phone nothing is wider than the screen", () => checkPhone(url));

  it("the answer comes first, then the codecs, then the lines; names are text", async () => {
    const { page, complaints, close } = await openPage(browser, url);
    assert.equal(await page.locator("h1").textContent(), HOSTILE);
    assert.doesNotMatch(await page.title(), /^owned/);
    assert.match(await page.title(), /% saved · zbud estimate$/);
    assert.equal(await page.locator("img").count(), 0);
    assert.deepEqual(await page.locator("main :is(.kicker, h2)").allTextContents(), [
      "What compressed swap would save",
      "Advice",
      "This machine now",
      "Every codec, compared",
      "Lines to paste",
      "Compressed sizes",
      "What was read",
      "How it counts",
    ]);
    const best = shown.codecs.find(
      ({ algorithm, level }) =>
        algorithm === shown.advice.codec?.algorithm && level === shown.advice.codec.level,
    );
    assert.ok(best?.ratio != null);
    const verdict = await page.locator(".best .verdict").textContent();
    assert.equal(
      verdict,
      `${best.ratio.toFixed(2)}× ${bytesText(shown.pages * 4096)} in ${bytesText(best.heldBytes)}`,
    );
    assert.deepEqual(await page.locator(".best .notes li").allTextContents(), shown.advice.reasons);
    assert.deepEqual(
      await page.locator("[aria-label='This machine now'] li").allTextContents(),
      shown.advice.now,
    );
    assert.deepEqual(complaints, []);
    await close();
  });

  it("each number has its unit; one row is advised; what is not measured is named", async () => {
    const { page, complaints, close } = await openPage(browser, url);
    const cells = (title: string): Promise<string[]> =>
      page.locator(`.ratios td[data-title="${title}"]`).allTextContents();
    for (const title of ["Memory", "Compressed"])
      for (const cell of await cells(title)) assert.match(cell, /^[\d.]+ (B|KiB|MiB)$/);
    for (const cell of await cells("Huge pages")) assert.match(cell, /^[\d,]+ \([\d.]+ %\)$/);
    for (const title of ["Compress", "Read back"])
      for (const cell of await cells(title)) assert.match(cell, /^[\d.]+ (ns|µs|ms)$|^–$/);
    assert.ok((await cells("Tried with")).includes(`${countText(shown.codecs[0].measuredPages)} pages`));
    assert.ok((await cells("Read back")).includes(timeText(shown.codecs[0].decompressNs ?? 0)));
    assert.equal(await page.locator(".ratios tbody tr").count(), shown.codecs.length);
    const advised = await page.locator(".ratios tr.is-best th").allTextContents();
    assert.deepEqual(advised, [
      `${codecText(shown.advice.codec as NonNullable<typeof shown.advice.codec>)}advised`,
    ]);
    const explained = await page.locator(".columns dt").allTextContents();
    assert.deepEqual(explained, await page.locator(".ratios thead th").allTextContents());
    assert.equal(await page.locator("main [title]").count(), 0, "nothing in tooltips alone");
    const text = (await page.locator("main").textContent()) ?? "";
    for (const name of ["lzo-rle", "842"]) assert.ok(text.includes(`${name}: not measured, `), name);
    assert.deepEqual(complaints, []);
    await close();
  });

  it("the lines are those of the terminal, each part by itself with a button that copies it", async () => {
    const { page, complaints, close } = await openPage(browser, url);
    const parts = await page.locator(".paste code").allTextContents();
    assert.deepEqual(
      parts,
      shown.advice.paste.map(({ lines }) => lines.join("\n")),
    );
    assert.equal(await page.locator(".paste .copy").count(), parts.length);
    const stops = await tabStops(page, 60);
    for (const wanted of [
      /^button Memory/,
      /^button Copy lines to paste as root, for now/,
      /^div Histogram of the compressed sizes with lz4/,
    ])
      assert.ok(
        stops.some((stop) => wanted.test(stop)),
        `${wanted} is no stop: ${stops.join(" | ")}`,
      );
    assert.deepEqual(complaints, []);
    await close();
  });

  it("a codec has one colour in the table and in the charts, and no two kinds have the same", async () => {
    const { page, complaints, close } = await openPage(browser, url);
    const colours = async (of: string): Promise<Map<string, string>> =>
      new Map(
        await page
          .locator(of)
          .evaluateAll((all) =>
            all.map((each): [string, string] => [
              each.querySelector("b")?.textContent ?? "",
              each.querySelector(".dot")?.getAttribute("style") ?? "",
            ]),
          ),
      );
    const [table, charts] = [await colours(".ratios tbody th"), await colours(".series")];
    assert.ok(charts.size >= 5, `${charts.size}`);
    for (const [name, colour] of charts) assert.equal(table.get(name), colour, name);
    assert.equal(new Set(charts.values()).size, charts.size);
    assert.deepEqual(complaints, []);
    await close();
  });

  it("an older zswap has a column for zbud", async () => {
    const old = await pageOf("zswap", OLD_ZSWAP, partlyNoisy(300, 4096, 900, 1));
    const { page, complaints, close } = await openPage(browser, old.url);
    assert.match((await page.locator(".ratios").textContent()) ?? "", /In zbud/);
    assert.deepEqual(complaints, []);
    await close();
  });

  for (const [what, bytes, said, title] of [
    ["noise", noise(200 * 4096, 3), "It does not pay", /compressed swap does not pay/],
    ["zeros", Buffer.alloc(200 * 4096), "No memory at all", /no memory at all/],
  ] as const) {
    it(`${what}: no advice, no row marked, nothing to paste`, async () => {
      const { url: other } = await pageOf(what, ZRAM_IN_USE, bytes);
      const { page, complaints, close } = await openPage(browser, other);
      assert.equal(await page.locator(".verdict").textContent(), said);
      assert.match(await page.title(), title);
      assert.equal(await page.locator(".is-best, .paste, .best").count(), 0);
      assert.deepEqual(complaints, []);
      await close();
      await checkPhone(other);
    });
  }

  async function checkPhone(of: string): Promise<void> {
    const { page, complaints, close } = await openPage(browser, of, PHONE);
    const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= inner, `${wide} > ${inner}`);
    assert.deepEqual(complaints, []);
    await close();
  }
});
