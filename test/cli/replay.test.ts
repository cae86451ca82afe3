import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { run } from "./command.ts";

const TRACES = join(import.meta.dirname, "../fixtures/traces");
const folder = temporaryFolder("replay");

describe("zbud replay", () => {
  it("every recorded trace: operations, and no mismatch", async () => {
    const files = readdirSync(TRACES).filter((name) => name.endsWith(".jsonl"));
    const { code, stdout, stderr } = await run(["replay", ...files], { cwd: TRACES });
    assert.deepEqual([code, stderr], [0, ""]);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.length, files.length);
    lines.forEach((line, i) => {
      assert.match(line, /^\S+ +[\d,]+ operations, 0 mismatches$/);
      assert.ok(line.startsWith(files[i]));
    });
    assert.equal(
      new Set(lines.map((line) => line.indexOf(" operations") - line.search(/[\d,]+ op/))).size <= 2,
      true,
    );
  });

  it("a trace with other results: the first mismatches, and exit code 1; the other files are still done", async () => {
    const good = join(TRACES, "zpool-edge.jsonl");
    const changed = join(folder, "changed.jsonl");
    let first = true;
    const text = readFileSync(good, "utf8").replaceAll('"offset":64', (match) => {
      const replaced = first ? '"offset":128' : match;
      first = false;
      return replaced;
    });
    writeFileSync(changed, text);
    const { code, stdout, stderr } = await run(["replay", changed, good]);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /changed\.jsonl +[\d,]+ operations, 1 mismatches\n {2}line \d+: offset is 64, recorded was 128\n/,
    );
    assert.match(stdout, /zpool-edge\.jsonl +[\d,]+ operations, 0 mismatches\n$/);
    assert.equal(stderr, "zbud: 1 of 2 traces came out otherwise than recorded\n");
  });
});
