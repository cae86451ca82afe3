/** The example page, as its server gives it: it stores, looks up, saves memory, and can be used by keyboard. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import type { Browser } from "playwright-core";
import { QUIET_FLAG, ROOT } from "../../scripts/tools.ts";
import { keepPicture, launchChromium, openPage, PHONE } from "./chromium.ts";

const RECORDS = 30_000;

describe("the example page", () => {
  let browser: Browser;
  let origin = "";
  const flags = [QUIET_FLAG, "--import", "./scripts/from-source.ts", "examples/browser/serve.ts"];
  const server = spawn(process.execPath, flags, { cwd: ROOT, env: { ...process.env, PORT: "0" } });

  before(async () => {
    const [line] = (await once(server.stdout, "data")) as [Buffer];
    origin = String(line).split(" ")[0];
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    server.kill();
    await once(server, "exit");
  });

  for (const [name, options] of Object.entries({
    desk: {},
    phone: PHONE,
    dark: { colorScheme: "dark" } as const,
  })) {
    it(`keeps its records in less memory, and finds them (${name})`, async () => {
      const { page, complaints, close } = await openPage(browser, `${origin}?records=${RECORDS}`, options);
      await page.getByText("times less memory").waitFor({ timeout: 60_000 });
      const state = await page.locator("#state").textContent();
      const [, count, ratio] = /^([\d,]+) orders are kept in ([\d.]+) times/.exec(state ?? "") ?? [];
      assert.equal(count, "30,000");
      assert.ok(Number(ratio) > 1.5, `${state}`);
      assert.match(state ?? "", /workers could share it/);
      await page.getByLabel("Order number").fill("12345");
      await page.keyboard.press("Enter");
      assert.match((await page.locator("#found").textContent()) ?? "", /"number": 12345,[\s\S]+ µs$/);
      await page.getByRole("button", { name: "Any other" }).click();
      assert.doesNotMatch((await page.locator("#found").textContent()) ?? "", /"number": 12345,|no order/);
      await page.getByLabel("Order number").fill(String(RECORDS));
      await page.getByRole("button", { name: "Look up" }).click();
      assert.match((await page.locator("#found").textContent()) ?? "", /There is no order 30000/);
      await page.getByLabel("Order number").fill("1");
      await page.getByRole("button", { name: "Look up" }).click();
      const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(width <= 0, `the page is ${width} pixels too wide`);
      await keepPicture(page, `example-${name}`);
      assert.deepEqual(complaints, []);
      await close();
    });
  }

  it("is reached by Tab in the order of the page", async () => {
    const { page, close } = await openPage(browser, `${origin}?records=100`);
    await page.getByText("times less memory").waitFor();
    const stops: (string | null)[] = [];
    for (let i = 0; i < 4; i++) {
      await page.keyboard.press("Tab");
      stops.push(
        await page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent || null),
      );
    }
    assert.deepEqual(stops, ["number", "Look up", "random", "found"]);
    await close();
  });
});
