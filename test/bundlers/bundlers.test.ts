/**
 * A program that is bundled does what it does unbundled: bundles are run in a folder where nothing else of the package
 * is, and after the place where they were made is gone, as on another machine.
 */

import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ROOT, runNode } from "../../scripts/tools.ts";
import type { DictionaryStats } from "../../src/cache/index.ts";
import { installPackage, NextApp } from "../adapters/next-app.ts";
import { launchChromium, openPage } from "../browser/chromium.ts";
import { serve } from "../browser/server.ts";
import { BUNDLERS, type Format, viteBrowser } from "./bundlers.ts";

/** What the program of app/ says. */
interface Result {
  density: number;
  dictionary: DictionaryStats;
  zstd: string;
  right: boolean;
}

/** A bundle may hold so much less or more. */
const SHARE = 0.03;
/** The only warning that there may be: that a CommonJS bundle has no address of its own. */
const NO_ADDRESS = /import\.meta/;

describe("a program that is bundled", () => {
  const made = mkdtempSync(join(tmpdir(), "zbud-bundlers-"));
  const moved = mkdtempSync(join(tmpdir(), "zbud-bundled-"));
  const app = join(made, "app");
  const warnings = new Map<string, string[]>();
  let unbundled: Result;

  function runFile(file: string): Result {
    const { ok, output } = runNode([file], { cwd: moved, capture: true });
    assert.ok(ok, output);
    return JSON.parse(output) as Result;
  }

  function compare({ density, dictionary, right }: Result): void {
    assert.equal(dictionary.state, "in-use");
    assert.equal(dictionary.error, undefined);
    assert.ok(
      Math.abs(density - unbundled.density) <= unbundled.density * SHARE,
      `it holds ${density} times its memory instead of ${unbundled.density} times`,
    );
    assert.ok(right, "what was stored comes back");
  }

  before(async () => {
    cpSync(join(import.meta.dirname, "app"), app, { recursive: true });
    await installPackage(join(app, "node_modules"));
    // The native package is what a user installs beside the bundle.
    for (const folder of [app, moved]) {
      mkdirSync(join(folder, "node_modules"), { recursive: true });
      symlinkSync(join(ROOT, "node_modules/zstd-napi"), join(folder, "node_modules/zstd-napi"));
    }
    unbundled = runFile(join(app, "main.mjs"));
    assert.ok(unbundled.density > 2, `${unbundled.density}`);
    assert.equal(unbundled.zstd, "zstd-napi");
    for (const [name, bundle] of Object.entries(BUNDLERS)) {
      for (const format of ["esm", "cjs"] as const) {
        const said = await bundle(join(app, "main.mjs"), fileOf(name, format), format);
        warnings.set(`${name} ${format}`, said);
      }
    }
    await viteBrowser(app, join(moved, "page"));
    renameSync(made, `${made}-gone`);
  });
  after(() => {
    for (const folder of [made, `${made}-gone`, moved]) rmSync(folder, { recursive: true, force: true });
  });

  function fileOf(bundler: string, format: Format): string {
    return join(moved, bundler.replace(/\W/, "-"), format === "esm" ? "bundle.mjs" : "bundle.cjs");
  }

  for (const name of Object.keys(BUNDLERS)) {
    for (const format of ["esm", "cjs"] as const) {
      it(`${name}, ${format}: holds as much, and finds the native package beside it`, () => {
        const result = runFile(fileOf(name, format));
        compare(result);
        assert.equal(result.zstd, "zstd-napi");
        for (const warning of warnings.get(`${name} ${format}`) ?? []) {
          assert.ok(format === "cjs" && NO_ADDRESS.test(warning), warning);
        }
      });
    }
  }

  for (const isolated of [true, false]) {
    it(`Vite, in a browser: holds as much (${isolated ? "with" : "without"} shared memory)`, async () => {
      const page = join(moved, "page");
      for (const name of readdirSync(page, { recursive: true, encoding: "utf8" })) {
        if (!name.endsWith(".js")) continue;
        assert.doesNotMatch(
          readFileSync(join(page, name), "utf8"),
          /zstd-napi|workerData\.lz4/,
          "it is Node's",
        );
      }
      const files = (path: string): string | undefined => {
        const file = join(page, path === "/" ? "index.html" : path);
        return existsSync(file) ? readFileSync(file, "utf8") : undefined;
      };
      const server = await serve(files, isolated);
      const browser = await launchChromium();
      try {
        const { page: tab, complaints } = await openPage(browser, `${server.origin}/index.html`);
        compare((await tab.evaluate("globalThis.result")) as Result);
        assert.deepEqual(complaints, []);
      } finally {
        await browser.close();
        await server.close();
      }
    });
  }
});

describe("a Next.js app that has the package bundled (Turbopack)", () => {
  const app = new NextApp("test/bundlers/next");
  after(() => app.remove());

  it("holds as much as the program unbundled", async () => {
    cpSync(join(import.meta.dirname, "app/program.mjs"), join(app.folder, "program.mjs"));
    cpSync(join(import.meta.dirname, "app/main.mjs"), join(app.folder, "main.mjs"));
    await app.build();
    const { output } = runNode([join(app.folder, "main.mjs")], { capture: true });
    const unbundled = JSON.parse(output) as Result;
    // The server has no need of it any more.
    rmSync(join(app.folder, "node_modules/zbud"), { recursive: true });
    const server = app.start();
    try {
      const [address] = await server.addresses(1);
      const bundled = (await (await fetch(`${address}/density`)).json()) as Result;
      assert.equal(bundled.dictionary.state, "in-use", server.said);
      assert.equal(bundled.dictionary.error, undefined);
      assert.ok(Math.abs(bundled.density / unbundled.density - 1) <= SHARE, `${bundled.density}`);
      assert.equal(bundled.zstd, "zstd-napi");
      assert.ok(bundled.right);
    } finally {
      await server.stop();
    }
  });
});
