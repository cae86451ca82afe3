import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { buildPage, embedPage, PAGES } from "../../scripts/build-pages.ts";
import { ROOT } from "./sources.ts";

describe("pages that are embedded", () => {
  for (const page of PAGES) {
    it(`${page.target} is what ${page.folder} makes: else run node scripts/build-pages.ts`, async () => {
      const made = embedPage(page, await buildPage(page));
      assert.ok(made === readFileSync(join(ROOT, page.target), "utf8"), "it is out of date");
    });

    it(`${page.folder} loads nothing, and lets nothing else run`, async () => {
      const { html, policy } = await buildPage(page);
      assert.doesNotMatch(html, /\b(?:src|href)="?(?!data:)[a-z]+:/, "no address of another host");
      assert.doesNotMatch(html, /@import|url\(/, "no style or font from elsewhere");
      assert.match(policy, /^default-src 'none'; script-src 'sha256-[\w+/]+=*';/);
    });
  }
});
