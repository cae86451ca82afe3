/** The viewer under churn: nothing moves, all is accessible, and what a cache's user wants to know is there. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { CompressedCache } from "../../src/cache/index.ts";
import { createPool, type Handle } from "../../src/entry/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { parseTrace } from "../../src/trace/index.ts";
import { TracePlayer, type Viewable, type Viewer, viewer } from "../../src/viewer/index.ts";
import { checkAccessible, shiftsOf, watchShifts } from "./axe.ts";
import { DESK, keepPicture, launchChromium, PHONE } from "./chromium.ts";

const TRACE = join(import.meta.dirname, "../fixtures/traces/uniform-evict-all.jsonl");
const CHURN_MS = 10_000;

/** Something that changes all the time, until it is closed. */
interface Churn {
  target: Viewable;
  close(): void;
}

const CHURNS: Record<string, () => Churn> = {
  cache() {
    const cache = new CompressedCache<string>({ maxBytes: "1MiB" });
    let count = 0;
    const timer = setInterval(() => {
      for (let i = 0; i < 20; i++) {
        const id = count++;
        cache.set(`user ${id % 3000}`, JSON.stringify({ id, text: `${id * 7919} `.repeat(20 + (id % 60)) }));
        cache.get(`user ${(id * 7) % 4000}`);
        if (id % 9 === 0) cache.delete(`user ${id % 500}`);
      }
    }, 10);
    return {
      target: cache as unknown as Viewable,
      close: () => {
        clearInterval(timer);
        cache.close();
      },
    };
  },
  store() {
    const store = new PageStore({ maxBytes: "1MiB" });
    const page = new Uint8Array(4096);
    let count = 0;
    const timer = setInterval(() => {
      for (let i = 0; i < 20; i++) {
        page.fill(count).set(new TextEncoder().encode(`${count * 7919}`.repeat(count % 200)));
        store.store(count % 1500, page);
        store.load((count * 7) % 1500, page);
        count += 1;
      }
    }, 10);
    return {
      target: store as unknown as Viewable,
      close: () => {
        clearInterval(timer);
        void store.close();
      },
    };
  },
  pool() {
    const pool = createPool("zbud", {
      maxPages: 300,
      onEvict: (handle, owner) => {
        owner.free(handle);
        return true;
      },
    });
    const live: Handle[] = [];
    let count = 0;
    const timer = setInterval(() => {
      const handle = pool.alloc(100 + ((count++ * 331) % 2500));
      if (typeof handle === "number") live.push(handle);
      else pool.shrinkPages(1 + (count % 40));
    }, 2);
    return {
      target: pool as unknown as Viewable,
      close: () => {
        clearInterval(timer);
        pool.close();
      },
    };
  },
  trace() {
    const player = new TracePlayer(parseTrace(readFileSync(TRACE, "utf8")));
    player.control({ do: "speed", value: 400 });
    player.control({ do: "play" });
    return { target: player, close: () => player.close() };
  },
};

describe("the viewer under churn", () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser?.close());

  /** Opens a viewer of it; gives the page, and what it complained of. */
  async function opened(
    target: Viewable,
    size: typeof DESK,
    options: Parameters<typeof viewer>[1] = {},
  ): Promise<{ page: Page; complaints: string[]; close(): Promise<void>; shown: Viewer }> {
    const shown = viewer(target, options);
    const { url } = await shown.listen();
    const context = await browser.newContext({ ...size, bypassCSP: true });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await watchShifts(page);
    await page.goto(url);
    await page.locator(".viewer.ready").waitFor();
    return {
      page,
      complaints,
      shown,
      close: async () => {
        await context.close();
        await shown.close();
      },
    };
  }

  for (const [name, make] of Object.entries(CHURNS)) {
    for (const [where, size] of [
      ["desk", { ...DESK, colorScheme: "dark" }],
      ["phone", { ...PHONE, colorScheme: "light" }],
    ] as const) {
      it(`${name}, ${where}: nothing moves in ten seconds, axe finds nothing, nothing is too wide`, async () => {
        const { target, close } = make();
        const { page, complaints, close: leave } = await opened(target, size);
        await page.waitForTimeout(CHURN_MS);
        assert.deepEqual(await shiftsOf(page), []);
        const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(wide <= inner, `${wide} > ${inner}`);
        // The answers stay in sight.
        await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
        await page.locator(".overview").waitFor();
        const box = await page.locator(".overview").boundingBox();
        assert.ok(box !== null && box.y >= 0 && box.y + box.height < 500, JSON.stringify(box));
        await page.evaluate(() => scrollTo(0, 0));
        await checkAccessible(page);
        await keepPicture(page, `viewer-churn-${name}-${where}`);
        assert.deepEqual(complaints, []);
        await leave();
        close();
      });
    }
  }

  it("a cache: hit rate, memory, how entries left, ages, sizes, dictionary, tier, who uses it; keys by option", async () => {
    const { target, close } = CHURNS.cache();
    const { page, complaints, close: leave, shown } = await opened(target, DESK, { keys: true });
    const says = async (selector: string, text: RegExp): Promise<void> => {
      await page.locator(selector).filter({ hasText: text }).first().waitFor();
    };
    await says(".tile", /^Healthwell$/);
    await says(".tile", /^Full[\d.]+ %: .* of 1 MiB, [\d,]+ entries$/);
    await says(".tile", /^Saves.* in .*\(\d+\.\d\dx\)/);
    await says(".tile", /^Nowhit rate [\d.]+ %; a second: [\d,]+ hits?, /);
    for (const [name, text] of [
      ["Hit rate since the start", /^[\d.]+ %$/],
      ["Dictionary", /^(in use|learning|no use)/],
      ["Compressed anew in pauses", /^on, /],
      ["Second tier", /nothing went there/],
      ["Used by", new RegExp(`^1 process, 1 thread: ${process.pid} \\(1 thread\\)$`)],
    ] as const) {
      const fact = page.locator(".facts-list div").filter({ hasText: name });
      await fact.locator("dd").filter({ hasText: text }).waitFor();
    }
    await says(".bar-list li", /^evicted[\d,]+$/);
    await says(".bar-list li", /^deleted[1-9][\d,]*$/);
    await says(".bar-list li", /^up to 10 s[1-9][\d,]*$/);
    await says(".entries .dim", /^[\d,]+ entries looked at, /);
    await says(".keys li", /^user \d+/);
    assert.deepEqual(complaints, []);
    await leave();
    assert.equal(shown.watchers, 0);
    const without = await opened(target, DESK);
    await without.page.locator(".entries .dim").filter({ hasText: "looked at" }).waitFor();
    assert.equal(await without.page.locator(".keys-part").isVisible(), false);
    assert.doesNotMatch(await without.page.content(), /user \d/);
    await without.close();
    close();
  });

  it("the legend names what is drawn; what is paused says how it goes on; axes have round numbers", async () => {
    const { target, close } = CHURNS.trace();
    const { page, complaints, close: leave } = await opened(target, DESK);
    const drawn = (): Promise<string[]> => page.locator('.legend [data-drawn="yes"]').allTextContents();
    await page.locator('.legend .ages[data-drawn="yes"]').waitFor();
    assert.ok(!(await drawn()).includes("in use"));
    await page.locator('.legend .evicted[data-drawn="yes"]').waitFor();
    await page
      .locator(".status")
      .filter({ hasText: /^live$/ })
      .waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator(".status").filter({ hasText: "paused: Play goes on" }).waitFor();
    await page.getByRole("slider").fill("6000");
    await page.locator(".status").filter({ hasText: "at its end: Play begins anew" }).waitFor();
    assert.deepEqual(complaints, []);
    await leave();
    close();
    const counted = { stats: () => ({ pages: 1 }) };
    const small = await opened(counted, PHONE);
    assert.equal(await small.page.locator(".overview").isVisible(), false, "nothing is known of this");
    await small.shown.close();
    await small.page
      .locator(".status")
      .filter({ hasText: /no connection; this is of \d\d:\d\d:\d\d; it tries again/ })
      .waitFor();
    await small.close();
  });
});
