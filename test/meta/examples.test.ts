import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { pathToFileURL } from "node:url";
import { ROOT, readTree } from "./sources.ts";

const FLAGS = [
  "--disable-warning=ExperimentalWarning",
  "--import",
  pathToFileURL(join(ROOT, "scripts/from-source.ts")).href,
];

function runProgram(file: string): string {
  const result = spawnSync(process.execPath, [...FLAGS, file], {
    cwd: ROOT,
    encoding: "utf8",
    timeout: 120_000,
  });
  assert.equal(result.status, 0, result.stderr);
  assert.equal(result.stderr, "");
  return result.stdout;
}

suite("examples", () => {
  for (const file of readTree(["examples"], [".ts"]).keys()) {
    test(`${file} runs and says something`, () => {
      assert.notEqual(runProgram(join(ROOT, file)), "");
    });
  }
});

/** A program in a Markdown file, and its output in the block right after it. */
const PROGRAM = /```ts\n(?<program>(?:(?!```).)*?)```\n+```(?:text|console)?\n(?<output>(?:(?!```).)*?)```/gs;

suite("programs of the documentation print what it says", () => {
  const folder = mkdtempSync(join(tmpdir(), "zbud-readme-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const path of readTree(["README.md", "docs"], [".md"]).keys()) {
    const text = readFileSync(join(ROOT, path), "utf8");
    let count = 0;
    for (const { groups } of text.matchAll(PROGRAM)) {
      if (groups === undefined || !/from "zbud/.test(groups.program)) continue;
      const file = join(folder, `${path.replaceAll("/", "-")}-${++count}.mts`);
      test(`${path}, program ${count}`, () => {
        writeFileSync(file, groups.program);
        assert.equal(runProgram(file).trim(), groups.output.trim());
      });
    }
  }
});
