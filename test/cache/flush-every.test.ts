import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { freshPath } from "../support/fresh-path.ts";
import { killCaches } from "./flush-every.ts";

const KILLS = 12;
const SEED = 1;

describe("a process that is killed with flushEvery", () => {
  it("loses what came after the last flush, and no older value comes back", async () => {
    const { flushes, values } = await killCaches(freshPath(), KILLS, SEED);
    assert.ok(flushes > KILLS, `${flushes} flushes`);
    assert.ok(values > 200, `${values} values`);
  });
});
