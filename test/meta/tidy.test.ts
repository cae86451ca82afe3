import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readTree, type Tree } from "./sources.ts";
import { codeViolations, LINES_MAX, LINES_USUAL, longFiles, textViolations } from "./tidy.ts";

const CODE = ["src", "test", "bench", "examples", "scripts", "web"];
const TEXT = [
  ...CODE,
  "docs",
  "site",
  ".ci",
  "package.json",
  "package-lock.json",
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "biome.json",
];

describe("tidy", () => {
  it("no any, silenced types, left-out tests or unseeded randomness", () => {
    const tree = readTree(CODE, [".ts"]);
    assert.ok(tree.size > 10, "the sources were found");
    assert.deepEqual(codeViolations(tree), []);
  });

  it("nothing unfinished, no path of one machine", () => {
    assert.deepEqual(textViolations(readTree(TEXT, [".ts", ".c", ".h", ".md", ".json", "run"])), []);
  });

  it(`no file has more than ${LINES_MAX} lines`, (t) => {
    const tree = readTree(CODE, [".ts", ".c", ".h"]);
    for (const line of longFiles(tree, LINES_USUAL)) t.diagnostic(line);
    assert.deepEqual(longFiles(tree, LINES_MAX), []);
  });

  const tree = (text: string): Tree => new Map([["src/a.ts", text]]);
  // Joined, so that this file has none of it.
  const PLANTED_CODE = [
    "const a: any = 1;",
    "function f(x: Map<string, any[]>): void {}",
    `// @${"ts-"}ignore\nfoo();`,
    "const n = Math.random();",
    "test.skip('a', () => {});",
    "describe.only('a', () => {});",
    "it.todo('a');",
    'import { after, test } from "node:test";',
    'import test from "node:test";',
  ];
  for (const text of PLANTED_CODE) {
    it(`caught: ${JSON.stringify(text)}`, () => {
      assert.equal(codeViolations(tree(text)).length, 1);
    });
  }

  const PLANTED_TEXT = [
    `// TO${"DO"}: later`,
    `const p = "${["", "home", "me", "x"].join("/")}";`,
    process.cwd(),
  ];
  for (const text of PLANTED_TEXT) {
    it(`caught: ${JSON.stringify(text)}`, () => {
      assert.notEqual(textViolations(tree(`\n${text}`)).length, 0);
    });
  }

  it("a word that only looks like it is fine", () => {
    const text =
      'const any = "any"; // in any case\nconst url = "a/work/b"; t.skip("no compiler"); expect.any(1);';
    assert.deepEqual([...codeViolations(tree(text)), ...textViolations(tree(text))], []);
  });

  it("caught: a long file", () => {
    assert.deepEqual(longFiles(tree("\n".repeat(501)), 500), ["src/a.ts has 501 lines, more than 500"]);
  });
});
