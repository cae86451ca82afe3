import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { API_REPORT, apiReport } from "../../scripts/api.ts";
import { publicNames } from "../../scripts/declarations.ts";
import { DIFFERENT_TYPES, OPTIONS_PAGE, optionsPage, typesByName } from "../../scripts/options-table.ts";
import { ROOT } from "./sources.ts";

/** More than these, and a reader does not find what is needed among what is not. */
const MAX_NAMES = 116;

function committed(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

describe("the public names", () => {
  const names = publicNames();

  it(`${API_REPORT} has them as they are: else run npm run api, and look at what changed`, () => {
    assert.equal(committed(API_REPORT), apiReport(names));
  });

  it(`there are at most ${MAX_NAMES}`, () => {
    const all = new Set([...names.values()].flat().map(({ name }) => name));
    assert.ok(all.size <= MAX_NAMES, `there are ${all.size}: is every one of them written down by users?`);
  });

  it("one name is one thing, in whatever entry", () => {
    const declared = new Map<string, string>();
    for (const { name, text } of [...names.values()].flat()) {
      // The root entry gives the class of the cache with the built-in drivers.
      if (name === "CompressedCache") continue;
      assert.equal(declared.get(name) ?? text, text, name);
      declared.set(name, text);
    }
  });

  it("nothing private or inner is among their members", () => {
    for (const { name, text } of [...names.values()].flat()) {
      assert.doesNotMatch(text, /#private|\bprivate\b|@internal/, name);
    }
  });
});

describe("the options", () => {
  it(`${OPTIONS_PAGE} has them as they are: else run npm run api`, () => {
    assert.equal(committed(OPTIONS_PAGE), optionsPage());
  });

  it("one name has one type, or a reason", () => {
    const types = typesByName();
    assert.ok(types.size > 30, "they were found");
    for (const [name, each] of types) {
      const what = `${name}: ${[...each].join(" or ")}`;
      if (each.size > 1) assert.ok(name in DIFFERENT_TYPES, `${what}; make them one, or say why not`);
      else assert.ok(!(name in DIFFERENT_TYPES), `${what} needs no reason any more`);
    }
  });
});
