import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { importCircles } from "./circles.ts";
import { FUNCTION_LINES_MAX, longFunctions } from "./long-functions.ts";
import { sameNames } from "./same-names.ts";
import { readTree, type Tree } from "./sources.ts";

const CODE = ["src", "test", "bench", "examples", "scripts", "web"];

/** What still breaks a rule, to be mended: the beginnings of the lines that tell of it. */
const KNOWN = {
  circles: [],
  functions: [],
  names: [],
};

/** Nothing but what is known breaks a rule, and all that is known still does. */
function checkFound(found: readonly string[], known: readonly string[]): void {
  const isKnown = (line: string): boolean => known.some((start) => line.startsWith(start));
  assert.deepEqual(
    found.filter((line) => !isKnown(line)),
    [],
  );
  const mended = known.filter((start) => !found.some((line) => line.startsWith(start)));
  assert.deepEqual(mended, [], "these are mended: take them from the list above");
}

describe("structure", () => {
  it("no circles of imports, type-only ones included", () => {
    const tree = readTree(CODE, [".ts"]);
    assert.ok(tree.size > 100, "the sources were found");
    checkFound(importCircles(tree), KNOWN.circles);
  });

  it(`no function has more than ${FUNCTION_LINES_MAX} lines`, () => {
    checkFound(longFunctions(readTree(CODE, [".ts"]), FUNCTION_LINES_MAX), KNOWN.functions);
  });

  it("no two files of src/ have one name for different things", () => {
    checkFound(sameNames(readTree(["src"], [".ts"])), KNOWN.names);
  });

  const treeOf = (files: Record<string, string>): Tree => new Map(Object.entries(files));

  it("caught: circles, each once, by the shortest way round", () => {
    const files = {
      "src/a.ts": 'import type { B } from "./b.ts"; import "./d/index.ts";',
      "src/b.ts": 'export * from "./c.ts"; type A = import("./a.ts").A;',
      "src/c.ts": 'import "./b.ts";',
      "src/d/index.ts": 'import "../e.ts";',
      "src/e.ts": 'const d = await import("./d/index.ts"); import "node:fs";',
    };
    assert.deepEqual(importCircles(treeOf(files)), [
      "src/a.ts -> src/b.ts -> src/a.ts",
      "src/d/index.ts -> src/e.ts -> src/d/index.ts",
    ]);
  });

  it("allowed: a thread that imports from whoever starts it", () => {
    const files = {
      "src/a.ts": 'new Worker(new URL("./b.ts", import.meta.url)); import "./c.ts";',
      "src/b.ts": 'import type { A } from "./a.ts"; import "./c.ts";',
      "src/c.ts": "",
    };
    assert.deepEqual(importCircles(treeOf(files)), []);
  });

  const LONG = "f();\n".repeat(FUNCTION_LINES_MAX);
  const CAUGHT: [name: string, text: string][] = [
    ["named", `function named() {\n${LONG}}`],
    ["held", `const held = () => {\n${LONG}};`],
    ["#inner", `class C {\n  #inner(): void {\n${LONG}}\n}`],
    ["a function", `it("a", () => {\n${LONG}});`],
    ["outer", `function outer() {\nconst g = () => {\n};\n${LONG}}`],
  ];
  for (const [name, text] of CAUGHT) {
    it(`caught: a long function: ${name}`, () => {
      const found = longFunctions(treeOf({ "a.ts": text }), FUNCTION_LINES_MAX);
      assert.equal(found.length, 1);
      assert.ok(found[0].startsWith(`a.ts: ${name} has 7`), found[0]);
    });
  }

  const SHORT = [
    `describe("a", () => {\n${LONG}});`,
    `function contract() {\ndescribe("a", () => {\n${LONG}});\n}`,
    `function cases() {\n${'it("a", () => {\nf();\n});\n'.repeat(FUNCTION_LINES_MAX)}}`,
    `function f() {\n${"f();\n".repeat(FUNCTION_LINES_MAX - 2)}}`,
    LONG,
  ];
  for (const text of SHORT) {
    it(`allowed: ${JSON.stringify(text.slice(0, 30))} …`, () => {
      assert.deepEqual(longFunctions(treeOf({ "a.ts": text }), FUNCTION_LINES_MAX), []);
    });
  }

  it("caught: names that mean two things", () => {
    const files = [
      "src/cache/index.ts",
      "src/store/index.ts",
      "src/pool/allocator.ts",
      "src/drivers/zbud/allocator.ts",
      "src/cli/allocator.ts",
      "src/cli/frame.ts",
      "src/viewer/frame.ts",
      "src/viewer/page.ts",
    ];
    const tree = treeOf(Object.fromEntries(files.map((path) => [path, ""])));
    assert.deepEqual(sameNames(tree), [
      "allocator.ts: src/pool/allocator.ts, src/drivers/zbud/allocator.ts, src/cli/allocator.ts",
      "frame.ts: src/cli/frame.ts, src/viewer/frame.ts",
    ]);
  });
});
