/** Runs tests inside Chromium. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { ROOT } from "../../scripts/tools.ts";
import { bundle } from "./bundle.ts";
import type { TestResult } from "./page/shims/test.ts";
import type { Files } from "./server.ts";

/** Where in a browser code runs. */
export type Place = "the main thread" | "a worker";

const FIXTURES = join(ROOT, "test/fixtures/traces");

/** What a server has to have for {@link runTests}: the tests of these files, in one bundle. */
export async function testFiles(paths: readonly string[]): Promise<Files> {
  const imports = paths.map((path) => `import "./${path}";`).join("\n");
  const tests = await bundle(`export { runAll } from "./test/browser/page/shims/test.ts";\n${imports}`);
  return (path) => {
    if (path === "/index.html") return "<!doctype html><title>tests</title>";
    if (path === "/tests/tests.js") return tests;
    if (path === "/tests/worker.js") {
      return 'import { runAll } from "./tests.js"; runAll().then((results) => postMessage(results));';
    }
    if (path === "/fixtures/traces/") return JSON.stringify(readdirSync(FIXTURES));
    const fixture = /^\/fixtures\/traces\/([\w-]+\.jsonl)$/.exec(path)?.[1];
    return fixture === undefined ? undefined : readFileSync(join(FIXTURES, fixture), "utf8");
  };
}

/** Runs what {@link testFiles} serves. */
export async function runTests(browser: Browser, origin: string, place: Place): Promise<TestResult[]> {
  const page = await browser.newPage();
  try {
    page.setDefaultTimeout(0);
    await page.goto(`${origin}/index.html`);
    return (await page.evaluate(place === "a worker" ? IN_WORKER : ON_PAGE)) as TestResult[];
  } finally {
    await page.close();
  }
}

const ON_PAGE = 'import("/tests/tests.js").then(({ runAll }) => runAll())';
const IN_WORKER = `new Promise((resolve, reject) => {
  const worker = new Worker("/tests/worker.js", { type: "module" });
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => reject(new Error(event.message));
})`;

/** Tests that did not pass, for a person: the first ones whole. */
export function failuresOf(results: readonly TestResult[]): string {
  const failed = results.filter(({ outcome }) => outcome !== "passed");
  const shown = failed.slice(0, 5).map(({ name, outcome, detail }) => `${outcome}: ${name}\n${detail}`);
  const rest = failed.slice(5).map(({ name, outcome }) => `${outcome}: ${name}`);
  return [...shown, ...rest].join("\n\n");
}
