/** How a report looks: on screens of all widths, and on paper. */
import assert from "node:assert/strict";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { checkAccessible } from "./axe.ts";
import { keepPicture, openPage, PHONE } from "./chromium.ts";

export type Look = "phone" | "tablet" | "wide" | "printed";

const OPTIONS: Readonly<Record<Look, BrowserContextOptions>> = {
  phone: { ...PHONE, colorScheme: "light" },
  tablet: { viewport: { width: 800, height: 1000 }, colorScheme: "dark" },
  wide: { viewport: { width: 1600, height: 1000 }, colorScheme: "light" },
  printed: { viewport: { width: 700, height: 1000 }, colorScheme: "dark" },
};

export const LOOKS: readonly Look[] = ["phone", "tablet", "wide", "printed"];

/**
 * Nothing is cut off or wider than its card, and axe finds nothing.
 *
 * @param picture - what the picture's name begins with.
 */
export async function checkLook(browser: Browser, url: string, look: Look, picture: string): Promise<void> {
  const { page, complaints, close } = await openPage(browser, url, { ...OPTIONS[look], bypassCSP: true });
  await page.waitForSelector("canvas");
  if (look === "printed") {
    await page.emulateMedia({ media: "print" });
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    assert.equal(await page.locator("details:not([open])").count(), 0, "on paper all is open");
    assert.equal(await page.locator(".copy:visible").count(), 0);
  } else {
    for (const summary of await page.locator("details:not([open]) summary").all()) await summary.click();
  }
  const cut = await page.evaluate(() => {
    const wide = [...document.querySelectorAll("pre, table, .card, h1, .verdict")];
    return wide
      .filter((each) => each.scrollWidth > each.clientWidth + 1)
      .map(({ outerHTML }) => outerHTML.slice(0, 90));
  });
  assert.deepEqual(cut, []);
  const outside = await page.evaluate(
    () =>
      [...document.querySelectorAll(".card table, .card pre, .card .least")].filter((each) => {
        const card = (each.closest(".card") as Element).getBoundingClientRect();
        return each.getBoundingClientRect().right > card.right;
      }).length,
  );
  assert.equal(outside, 0, "wider than its card");
  // A label that is cut off reaches the edge of its image.
  const clipped = await page.evaluate(() =>
    [...document.querySelectorAll("canvas")].flatMap((canvas, i) => {
      const context = canvas.getContext("2d") as CanvasRenderingContext2D;
      const { width, height } = canvas;
      const { data } = context.getImageData(0, 0, width, height);
      for (let y = 0; y < height; y++) {
        const line = 4 * y * width + 3;
        if (data[line] > 0 || data[line + 4 * (width - 1)] > 0) return [i];
      }
      return [];
    }),
  );
  assert.deepEqual(clipped, []);
  if (look !== "printed") await checkAccessible(page);
  await keepPicture(page, `${picture}-cut-${look}`);
  assert.deepEqual(complaints, []);
  await close();
}
