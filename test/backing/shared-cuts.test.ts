import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { freshMemory } from "../support/fresh-memory.ts";
import { freshPath } from "../support/fresh-path.ts";
import { cutOne } from "./shared-cuts.ts";

/** Every so many-th call; all of them: ZBUD_POINTS=every. */
const STEP = process.env.ZBUD_POINTS === "every" ? 1 : 5;

describe("a process that is killed at a call of its file", () => {
  for (const next of ["shared", "alone", "restart"] as const) {
    it(`each ${STEP}th of them; then it is opened ${next}`, { timeout: 600_000 }, async (t) => {
      const [path, shared] = [freshPath(), freshMemory()];
      const versions = [0, 0, 0, 0];
      let cut = 1;
      while (await cutOne(path, shared, cut, versions, next)) cut += next === "shared" ? STEP : 3 * STEP;
      t.diagnostic(`${cut} calls`);
      assert.ok(cut > 20);
    });
  }
});
