import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { temporaryFolder } from "../../scripts/tools.ts";
import { timeText } from "../../src/base/index.ts";
import { estimateHtml } from "../../src/cli/estimate-html.ts";
import {
  cacheCallText,
  codeText,
  type Estimate,
  estimate,
  storeCallText,
  storeCodeText,
} from "../../src/estimate/index.ts";
import { partlyNoisy } from "../estimate/noisy-data.ts";
import { until } from "../support/until.ts";
import { DESK, keepPicture, launchChromium, openPage, PHONE, tabStops } from "./chromium.ts";
import { checkLook, LOOKS } from "./looks.ts";

/** A name that would run if it were ever read as HTML. */
const HOSTILE = `</script><img src=x onerror="document.title='owned'"><b>&amp;`;

describe("the page of an estimate", () => {
  const folder = temporaryFolder("report");
  const file = join(folder, "report.html");
  const url = pathToFileURL(file).href;
  let browser: Browser;
  let shown: Estimate;

  before(async () => {
    const data = join(folder, "data.bin");
    writeFileSync(data, partlyNoisy(600, 4096, 900, 1));
    shown = await estimate({ paths: [data], label: HOSTILE }, { codecs: ["lz4", "zstd", "deflate"] });
    writeFileSync(file, estimateHtml({ estimates: [shown] }));
    browser = await launchChromium();
  });
  after(() => browser?.close());

  for (const [name, options] of [
    ["light", { ...DESK, colorScheme: "light" }],
    ["dark", { ...DESK, colorScheme: "dark" }],
    ["phone", { ...PHONE, colorScheme: "light" }],
    ["phone-dark", { ...PHONE, colorScheme: "dark" }],
  ] as const) {
    it(`${name}: charts are drawn, nothing is wider than the screen, no complaints`, async () => {
      const { page, complaints, close } = await openPage(browser, url, options);
      const codecs = shown.units.flatMap((unit) => unit.codecs);
      const curves = codecs.filter(({ fit }) => fit !== null).length;
      await page.waitForFunction(`document.querySelectorAll("canvas").length === ${codecs.length + curves}`);
      const inked = await page.evaluate(() =>
        [...document.querySelectorAll("canvas")].map((canvas) => {
          const { width, height } = canvas;
          const { data } = (canvas.getContext("2d") as CanvasRenderingContext2D).getImageData(
            0,
            0,
            width,
            height,
          );
          let pixels = 0;
          for (let i = 3; i < data.length; i += 4) if (data[i] > 0) pixels += 1;
          return pixels / (width * height);
        }),
      );
      for (const share of inked) assert.ok(share > 0.005, `a chart is empty: ${share}`);
      const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= inner, `${wide} > ${inner}`);
      await keepPicture(page, `report-${name}`);
      assert.deepEqual(complaints, []);
      await close();
    });
  }

  for (const look of LOOKS) {
    it(`${look}: code, tables and charts are not cut off; axe finds nothing`, () =>
      checkLook(browser, url, look, "report"));
  }

  it("a chart that is printed from a dark screen is drawn for paper", async () => {
    const { page, complaints, close } = await openPage(browser, url, { ...DESK, colorScheme: "light" });
    await page.waitForSelector("canvas");
    // The colour that most of its pixels have; its size is another on paper.
    const color = (): Promise<string> =>
      page.evaluate(() => {
        const image = new Image();
        image.src = (document.querySelector("canvas") as HTMLCanvasElement).toDataURL();
        return image.decode().then(() => {
          const copy = new OffscreenCanvas(image.width, image.height);
          const context = copy.getContext("2d") as OffscreenCanvasRenderingContext2D;
          context.drawImage(image, 0, 0);
          const { data } = context.getImageData(0, 0, image.width, image.height);
          const counts = new Map<string, number>();
          for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] === 0) continue;
            const key = data.slice(i, i + 4).join();
            counts.set(key, (counts.get(key) ?? 0) + 1);
          }
          return [...counts].sort(([, a], [, b]) => b - a)[0][0];
        });
      });
    const light = await color();
    await page.emulateMedia({ colorScheme: "dark" });
    await until("the chart is dark", async () => (await color()) !== light);
    await page.emulateMedia({ colorScheme: "dark", media: "print" });
    await until("the chart is light again", async () => (await color()) === light);
    assert.deepEqual(complaints, []);
    await close();
  });

  it("nothing is said in tooltips alone; numbers have units; times are of the same amount", async () => {
    const { page, complaints, close } = await openPage(browser, url);
    assert.equal(await page.locator("main [title]").count(), 0);
    const explained = await page.locator(".columns dt").allTextContents();
    const titles = await page.locator(".ratios thead th").allTextContents();
    assert.deepEqual(
      explained,
      titles.map((title) => title.trim()),
    );
    for (const setting of await page.locator(".ratios tbody th").allTextContents())
      assert.match(setting, /pages of [\d.,]+ (B|KiB)|page sizes, [\d,]+ to [\d,]+ B/);
    for (const cell of await page.locator('.ratios td[data-title="Read back"]').allTextContents())
      assert.match(cell, /^[\d.]+ (ns|µs|ms)$|^–$/);
    const first = shown.units.flatMap(({ unit, codecs }) => codecs.map((codec) => ({ unit, codec })))[0];
    const per4k = timeText(((first.codec.decompressNsPerUnit ?? 0) * 4096) / first.unit);
    const cells = await page.locator('.ratios td[data-title="Read back"]').allTextContents();
    assert.ok(cells.includes(per4k), `${per4k} is not among ${cells}`);
    for (const bar of await page.locator(".advice .small").allTextContents())
      assert.match(bar, /to read back 4 KiB$/);
    // Where the advised row is not the first it says why.
    const best = shown.units.flatMap(({ codecs }) =>
      codecs.flatMap(({ pools }) => pools.map(({ ratio }) => ratio ?? 0)),
    );
    const isFirst = Math.max(...best) <= (shown.advice.best.ratio ?? 0);
    assert.equal(await page.locator(".note").count(), isFirst ? 0 : 1);
    assert.deepEqual(complaints, []);
    await close();
  });

  it("what it says is what the estimate says; names are text", async () => {
    const { page, complaints, close } = await openPage(browser, url);
    assert.equal(await page.locator("h1").textContent(), HOSTILE);
    assert.doesNotMatch(await page.title(), /^owned/);
    assert.equal(await page.locator("img").count(), 0);
    const { best } = shown.advice;
    const verdict = await page.locator(".best .verdict").textContent();
    assert.ok(verdict?.startsWith(`${best.ratio?.toFixed(2)}×`), verdict ?? "");
    const code = await page.locator(".best code").textContent();
    assert.ok(code?.includes(`createPool("${best.driver}", { pageSize: ${best.pageSize}`), code ?? "");
    const { store } = shown.advice;
    assert.ok(store !== null);
    const calls = await page.locator(".store code").textContent();
    for (const call of [storeCallText(store), cacheCallText(store)])
      assert.ok(calls?.includes(call), calls ?? "");
    const pools = shown.units.flatMap((unit) => unit.codecs.flatMap((codec) => codec.pools));
    assert.equal(await page.locator(".ratios tbody tr").count(), pools.length);
    assert.equal(await page.locator(".ratios tr.is-best").count(), 1);
    assert.deepEqual(complaints, []);
    await close();
  });

  it("all is reached and used by keyboard, and the focus is seen", async () => {
    const { page, complaints, close } = await openPage(browser, url);
    await page.waitForSelector("canvas");
    const stops = await tabStops(page, 60);
    for (const wanted of [
      /^summary The code/,
      /^button Copy code of the advice/,
      /^button All units/,
      /^button 16 KiB/,
      /^button Ratio/,
      /^button Memory/,
      /^div Histogram of the compressed sizes with lz4/,
      /^div Effective ratio of zbud by page size with zstd/,
    ]) {
      assert.ok(
        stops.some((stop) => wanted.test(stop)),
        `${wanted} is no stop: ${stops.join(" | ")}`,
      );
    }
    // Sorting says its direction, and a second press turns it round.
    const memory = page.getByRole("button", { name: "Memory", exact: true });
    await memory.focus();
    const column = page.locator(".ratios tbody tr td:nth-child(4)");
    await page.keyboard.press("Enter");
    assert.equal(await page.locator("th[aria-sort]").textContent(), "Memory");
    assert.equal(await page.locator("th[aria-sort]").getAttribute("aria-sort"), "ascending");
    const up = await column.allTextContents();
    await page.keyboard.press("Enter");
    assert.deepEqual(await column.allTextContents(), up.toReversed());
    // Arrow keys read a chart.
    await page.locator(".plot").first().focus();
    await page.keyboard.press("ArrowRight");
    assert.match((await page.locator(".readout").first().textContent()) ?? "", /^1 to 64 B: \d/);
    // Units are chosen.
    await page.getByRole("button", { name: "16 KiB" }).focus();
    await page.keyboard.press("Space");
    const chosen = shown.units.filter(({ unit }) => unit === 16_384).flatMap(({ codecs }) => codecs);
    assert.equal(await page.locator(".ratios tbody tr").count(), chosen.flatMap(({ pools }) => pools).length);
    assert.deepEqual(complaints, []);
    await close();
  });

  it("a change from light to dark redraws the charts", async () => {
    const { page, complaints, close } = await openPage(browser, url, { ...DESK, colorScheme: "light" });
    await page.waitForSelector("canvas");
    const picture = () => page.evaluate(() => document.querySelector("canvas")?.toDataURL());
    const light = await picture();
    await page.emulateMedia({ colorScheme: "dark" });
    await page.waitForTimeout(200);
    assert.notEqual(await picture(), light);
    assert.deepEqual(complaints, []);
    await close();
  });

  it("several estimates are one page with a list of them", async () => {
    const several = join(folder, "several.html");
    writeFileSync(
      several,
      estimateHtml({ estimates: [shown, { ...shown, input: { ...shown.input, label: "the other" } }] }),
    );
    const { page, complaints, close } = await openPage(browser, pathToFileURL(several).href);
    await page.getByRole("link", { name: "the other" }).click();
    assert.ok(await page.getByRole("heading", { name: "the other" }).isVisible());
    assert.equal(await page.locator("article").count(), 2);
    assert.deepEqual(complaints, []);
    await close();
  });

  it("the code to paste runs", () => {
    for (const setting of [shown.advice.best, shown.advice.quicker ?? shown.advice.best]) {
      runPasted(pastedProgram(setting), folder);
    }
    assert.ok(shown.advice.store !== null);
    const both = `console.log(store.load(7, page) + cache.get("key") === "loadedvalue" ? "same" : "different");`;
    runPasted(`${storeCodeText(shown.advice.store)}${both}\n`, folder);
  });
});

function runPasted(text: string, folder: string): void {
  const program = join(folder, "pasted.mjs");
  writeFileSync(program, text);
  const root = join(import.meta.dirname, "../..");
  const flags = ["--disable-warning=ExperimentalWarning", "--import", "./scripts/from-source.ts"];
  const output = execFileSync(process.execPath, [...flags, program], { cwd: root, encoding: "utf8" });
  assert.equal(output.trim(), "same");
}

function pastedProgram(setting: Estimate["advice"]["best"]): string {
  return `${codeText(setting)}
const unit = new Uint8Array(${setting.unit}).fill(7);
unit.set([1, 2, 3], 100);
const back = new Uint8Array(${setting.unit});
load(keep(unit), back);
console.log(Buffer.compare(unit, back) === 0 ? "same" : "different");
`;
}
