import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sizeClassesOf } from "../../src/drivers/index.ts";
import { run } from "./command.ts";

describe("zbud classes", () => {
  it("the table, and the numbers of classes beside those published", async () => {
    const { code, stdout, stderr } = await run(["classes"]);
    assert.deepEqual([code, stderr], [0, ""]);
    const lines = stdout.split("\n");
    assert.match(lines[0], /class, bytes +objects a group +pages a group +tail, bytes +tail, %/);
    assert.equal(lines.indexOf(""), 1 + 69);
    assert.match(lines[1], /^ +32 +128 +1 +0 +0\.0$/);
    assert.match(lines[69], /^ +4096 +1 +1 +0 +0\.0$/);
    assert.match(
      stdout,
      /69 distinct classes, of 255 sizes, for pages of 4096 bytes in groups of at most 4\n/,
    );
    const counts = lines.filter((line) => /^ *\d +\d+ +\d+$/.test(line)).map((line) => line.match(/\d+/g));
    assert.equal(counts.length, 6);
    for (const count of counts) assert.equal(count?.[1], count?.[2]);
  });

  it("other groups and pages, as JSON", async () => {
    const { stdout } = await run(["classes", "--group-pages", "8", "--page-size", "16k", "--json"]);
    assert.deepEqual(JSON.parse(stdout), {
      pageSize: 16384,
      maxGroupPages: 8,
      classes: sizeClassesOf(16384, 8),
    });
    const plain = await run(["classes", "--page-size", "1k"]);
    assert.match(plain.stdout, /31 distinct classes, of 63 sizes, for pages of 1024 bytes/);
    assert.doesNotMatch(plain.stdout, /published/);
  });

  it("what cannot be is said in one line", async () => {
    for (const [args, what] of [
      [["--group-pages", "17"], /--group-pages takes a whole number from 1 to 16/],
      [["--page-size", "1000"], /pageSize must be a multiple of 16/],
      [["--page-size", "2m"], /pageSize must be from 64/],
    ] as const) {
      const { code, stderr } = await run(["classes", ...args]);
      assert.equal(code, 2);
      assert.match(stderr, what);
      assert.equal(stderr.trimEnd().split("\n").length, 1);
    }
  });
});
