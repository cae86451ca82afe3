import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { killImprovers } from "./improver-kills.ts";

describe("a thread that betters a cache, and is killed", () => {
  it("leaves every entry as it was, at random moments", async () => {
    assert.ok((await killImprovers(12, 1)) > 100);
  });
});
