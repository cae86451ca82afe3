import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { buildWorker, embedWorker, WORKER_MODULE } from "../../scripts/build-worker.ts";
import { ROOT } from "./sources.ts";

suite("the worker that is embedded", () => {
  test(`${WORKER_MODULE} is what its sources make: else run node scripts/build-worker.ts`, async () => {
    const made = embedWorker(await buildWorker());
    assert.ok(made === readFileSync(join(ROOT, WORKER_MODULE), "utf8"), "it is out of date");
  });

  test("it needs nothing beside it, and has no second copy of the lz4 module", async () => {
    const code = await buildWorker();
    assert.doesNotMatch(code, /\bimport\b|\brequire\b|\bexport\b/);
    assert.ok(code.length < 12_000, `${code.length} characters`);
  });
});
