import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import type { KernelEstimate } from "../../src/estimate/index.ts";
import { noise, partlyNoisy } from "../estimate/noisy-data.ts";
import { run } from "./command.ts";

const folder = temporaryFolder("kernel-cli");
const file = join(folder, "data.bin");
writeFileSync(file, partlyNoisy(300, 4096, 900, 1));
const few = join(folder, "few.bin");
writeFileSync(few, partlyNoisy(20, 4096, 900, 1));

describe("zbud estimate --kernel", () => {
  it("answers first, says where more is, and ends with lines to paste", async () => {
    const { code, stdout, stderr } = await run(["estimate", "--kernel", file]);
    assert.equal(code, 0, stderr);
    const lines = stdout.split("\n");
    assert.equal(lines[0], file);
    assert.match(lines[1], /^ {2}Yes: z(ram|swap) with .*: 1\.17 MiB would take \d+ KiB \(\d\.\d\dx\)/);
    assert.match(stdout, /\nSizes and counts of every codec: --details\n/);
    assert.match(stdout, /\nTo paste as root, for now:\n(?: {2}.*\n)+/);
  });

  it("--details: sizes as a chart, and what is counted of each codec", async () => {
    const { code, stdout, stderr } = await run(["estimate", "--kernel", file, "--details"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\n {2}compressed sizes\n/);
    assert.match(stdout, /╵0 +╵1 KiB +╵2 KiB +╵3 KiB +╵4 KiB/);
    // 900 bytes of noise a page, which lz4 writes with some bytes more; no page is huge.
    assert.match(stdout, /\n {2}lz4 +300 +9\d\d +9\d\d +9\d\d +2\d\d KiB +0 +\d/);
    assert.match(stdout, /\n {2}zstd level 3 with a dictionary +\d+ +9/);
    assert.doesNotMatch(stdout, /: --details\n/);
  });

  it("--details of noise: no chart, no codec advised, and no line to paste", async () => {
    const random = join(folder, "random.bin");
    writeFileSync(random, noise(300 * 4096, 1));
    const { code, stdout, stderr } = await run(["estimate", "--kernel", random, "--details"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\n {2}No: compressed swap does not pay for this/);
    assert.match(stdout, /\n {2}lz4 +300 +- +- +- +1\.17 MiB +300 /);
    assert.doesNotMatch(stdout, /compressed sizes|◀|To paste/);
  });

  it("--dictionary: writes what zram reads, and says where", async () => {
    const dictionary = join(folder, "zram.dict");
    const { code, stdout, stderr } = await run(["estimate", "--kernel", file, "--dictionary", dictionary]);
    assert.equal(code, 0, stderr);
    const { size: bytes, mode } = statSync(dictionary);
    if (process.platform !== "win32") assert.equal(mode & 0o777, 0o600, "it holds pieces of memory");
    assert.ok(bytes > 1000 && bytes <= 32_768, `${bytes}`);
    assert.ok(stdout.includes(`\nThe dictionary: ${dictionary}, `), stdout);
    const json = await run(["estimate", "--kernel", file, "--json", "--dictionary", "relative.dict"], {
      cwd: folder,
    });
    assert.equal(json.stdout.split("\n").length, 2, "figures alone");
    const { dictionaryFile } = JSON.parse(json.stdout) as KernelEstimate;
    assert.equal(dictionaryFile, join(folder, "relative.dict"), "zram takes whole paths");
    assert.deepEqual(readFileSync(join(folder, "relative.dict")), readFileSync(dictionary), "the same seed");
  });

  it("--dictionary of too few pages: the report, then one line that says what to do", async () => {
    const none = join(folder, "none.dict");
    const { code, stdout, stderr } = await run(["estimate", "--kernel", few, "--dictionary", none]);
    assert.equal(code, 2);
    assert.match(stdout, /20 pages of 4 KiB/);
    assert.match(
      stderr,
      /^zbud: no dictionary was written to .*none\.dict: it is learned from 128 pages or more/,
    );
    assert.ok(!existsSync(none));
  });

  mkdirSync(join(folder, "with space"));
  for (const [what, args, message] of [
    [
      "a dictionary without --kernel",
      [file, "--dictionary", "a"],
      /--dictionary is for the kernel's zram: add --kernel/,
    ],
    ["a dictionary where a folder is", ["--kernel", file, "--dictionary", folder], /is a folder/],
    [
      "a dictionary in no folder",
      ["--kernel", file, "--dictionary", join(folder, "no/a")],
      /--dictionary .* there is no such folder/,
    ],
    [
      "a dictionary that no line can name",
      ["--kernel", file, "--dictionary", join(folder, "with space/a")],
      /letters, digits and .* not .*with space\/a/,
    ],
    ["a page where a folder is", ["--kernel", file, "--html", folder], /is a folder/],
    [
      "a page without a name",
      ["--kernel", file, "--html", ""],
      /--html takes the name of a file to write, not ""/,
    ],
    [
      "a page and a dictionary in one file",
      ["--kernel", file, "--html", join(folder, "one"), "--dictionary", join(folder, "one")],
      /name the same file/,
    ],
    ["codecs", ["--kernel", file, "--codec", "lz4"], /leave out --codec/],
    ["the demonstration", ["--kernel", "--demo"], /leave out --demo/],
  ] as const) {
    it(`${what}: refused before the work`, async () => {
      const { code, stdout, stderr } = await run(["estimate", ...args]);
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.match(stderr, message);
      assert.equal(stderr.trim().split("\n").length, 1);
    });
  }

  it("--html: the figures that --json prints", async () => {
    const page = join(folder, "kernel.html");
    const { code, stdout, stderr } = await run(["estimate", "--kernel", file, "--json", "--html", page]);
    assert.equal(code, 0, stderr);
    const html = readFileSync(page, "utf8");
    const json = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)?.[1] ?? "";
    assert.deepEqual((JSON.parse(json) as { kernel: KernelEstimate }).kernel, JSON.parse(stdout));
    const plain = await run(["estimate", "--kernel", file, "--html", page]);
    assert.ok(plain.stdout.endsWith(`The page: ${page}\n`), plain.stdout);
  });
});
