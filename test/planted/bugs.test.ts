import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { PLANTED_BUGS } from "./bugs.ts";

describe("planted bugs", () => {
  for (const { name, file, find, replace } of PLANTED_BUGS) {
    it(`${name}: can be planted`, () => {
      const text = readFileSync(join(import.meta.dirname, "../..", file), "utf8");
      assert.equal(text.split(find).length - 1, 1, `its text must be in ${file} exactly once`);
      assert.notEqual(find, replace);
    });
  }
});
