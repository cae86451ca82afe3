import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { writeOutput } from "../../src/cli/output-file.ts";
import type { Estimate } from "../../src/estimate/index.ts";
import { partlyNoisy } from "../estimate/noisy-data.ts";
import { run } from "./command.ts";

const folder = temporaryFolder("html");
const data = join(folder, "data.bin");
writeFileSync(data, partlyNoisy(200, 4096, 900, 1));

const asWindows = process.platform === "win32" ? "modes of POSIX" : false;

describe("zbud estimate --html", () => {
  it("writes one file with the same figures as --json prints", async () => {
    const file = join(folder, "report.html");
    const { code, stdout, stderr } = await run(["estimate", data, "--json", "--html", file]);
    assert.equal(code, 0, stderr);
    const html = readFileSync(file, "utf8");
    const json = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)?.[1] ?? "";
    const { estimates } = JSON.parse(json) as { estimates: Estimate[] };
    assert.deepEqual(estimates, [JSON.parse(stdout)]);
    assert.doesNotMatch(html, /<!--\w+-->/, "every place was filled");
  });

  it("without --json it says where the page is", async () => {
    const file = join(folder, "named.html");
    const { code, stdout } = await run(["estimate", data, "--html", file, "--unit", "4k", "--codec", "lz4"]);
    assert.equal(code, 0);
    assert.ok(stdout.endsWith(`The page: ${file}\n`), stdout);
  });

  it("an older page stays until the new one is complete, and keeps its mode", {
    skip: asWindows,
  }, async () => {
    const file = join(folder, "older.html");
    writeFileSync(file, "older");
    chmodSync(file, 0o640);
    const reader = openSync(file, "r");
    await writeOutput("--html", file, Buffer.from("newer"));
    assert.equal(readFileSync(file, "utf8"), "newer");
    assert.equal(readFileSync(reader, "utf8"), "older", "who reads the older one reads all of it");
    closeSync(reader);
    assert.equal(statSync(file).mode & 0o777, 0o640);
    await writeOutput("--html", "/dev/null", Buffer.from("nothing"));
    assert.ok(statSync("/dev/null").isCharacterDevice());
    const fresh = join(folder, "fresh.html");
    await writeOutput("--html", fresh, Buffer.from("x"));
    assert.equal(statSync(fresh).mode & 0o777, 0o666 & ~process.umask());
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith(".tmp")),
      [],
    );
  });

  for (const [what, target, why] of [
    ["a folder", folder, /is a folder/],
    ["a file in no folder", join(folder, "none", "a.html"), /there is no such folder/],
  ] as const) {
    it(`${what} is refused before the work`, async () => {
      const { code, stdout, stderr } = await run(["estimate", data, "--html", target]);
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.match(stderr, why);
      assert.equal(stderr.trim().split("\n").length, 1);
      assert.ok(!existsSync(join(folder, "none")));
    });
  }
});
