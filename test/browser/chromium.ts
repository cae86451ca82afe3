/** Chromium for tests: one browser for each test file, pages that fail the test when they report an error. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Sizes that the tests look at. */
export const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
export const DESK: BrowserContextOptions = { viewport: { width: 1280, height: 900 } };

/**
 * Starts a headless Chromium, the one of the system or the one that `CHROMIUM` names.
 *
 * @throws if there is none: the message says how to get it.
 */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const places = process.env.CHROMIUM === undefined ? PLACES : [process.env.CHROMIUM];
  const executablePath = places.find((place) => existsSync(place));
  assert.ok(
    executablePath !== undefined,
    `there is no Chromium at ${places.join(" or ")}: install it (Debian: apt-get install chromium), or name one in CHROMIUM`,
  );
  // Root has no user namespaces to build a sandbox from, as in most containers.
  const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return await chromium.launch({
    executablePath,
    args: [...sandbox, "--disable-dev-shm-usage", ...args],
  });
}

/** A page, and what it complained of. */
export interface WatchedPage {
  page: Page;
  /** Errors and warnings of the console, and what nobody caught. */
  complaints: string[];
  close(): Promise<void>;
}

/** Opens a page in a context of its own. Callers assert that it complained of nothing. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = DESK,
): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

/** Keeps a picture of a page in `build/screenshots`, to be looked at. */
export async function keepPicture(page: Page, name: string, fullPage = true): Promise<void> {
  const folder = join(import.meta.dirname, "../../build/screenshots");
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage });
}

/** What has the focus after each press of Tab, by its role and name, until it leaves the page. */
export async function tabStops(page: Page, most: number): Promise<string[]> {
  const stops: string[] = [];
  for (let i = 0; i < most; i++) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === null || element === document.body) return null;
      const style = getComputedStyle(element);
      const seen = style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) > 0;
      const name = element.getAttribute("aria-label") ?? element.textContent ?? "";
      return { name: `${element.tagName.toLowerCase()} ${name.trim()}`, seen };
    });
    if (stop === null) break;
    assert.ok(stop.seen, `the focus cannot be seen on ${stop.name}`);
    stops.push(stop.name);
  }
  return stops;
}
