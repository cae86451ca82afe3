import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import type { Estimate } from "../../src/estimate/index.ts";
import { partlyNoisy } from "../estimate/noisy-data.ts";
import { ended, run, START, start } from "./command.ts";

const folder = temporaryFolder("cli");
const file = join(folder, "data.bin");
const bytes = partlyNoisy(500, 4096, 900, 1);
writeFileSync(file, bytes);

const ESCAPE = "\x1b[";

describe("zbud estimate", () => {
  it("answers first: what is kept in how much, with which settings, and what it costs", async () => {
    const { code, stdout, stderr } = await run(["estimate", file]);
    assert.equal(code, 0, stderr);
    const lines = stdout.split("\n");
    assert.equal(lines[0], file);
    assert.match(
      lines[1],
      /^ {2}1\.95 MiB would be kept in \d+ KiB: \d\.\d\d times smaller, saves 1\.\d+ MiB \(\d+(\.\d)? %\)$/,
    );
    assert.match(
      lines[2],
      /^ {2}with \w+, \d+ KiB at a time: each \S+ \S+ to compress, \S+ \S+ to read back$/,
    );
    for (const call of [
      "a cache: new CompressedCache(",
      "a page store: new PageStore(",
      "a pool: createPool(",
    ])
      assert.ok(stdout.includes(`\n  ${call}`), call);
    assert.match(stdout, /\n {2}lz4 +4 KiB +\d\.\d\d +\S+ \S+ +\S+ \S+\n/);
    assert.match(stdout, /\nEvery allocator and page size: --details\n$/);
  });

  it("--details prints what was read, histograms, pools, and last one line of advice", async () => {
    const { code, stdout, stderr } = await run(["estimate", file, "--details"]);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "");
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines[0], file);
    assert.ok(lines.includes("1 file, 1.95 MiB; all of it read"));
    assert.match(stdout, /Units of 4 KiB: 500 read, 0 \(0 %\) one word repeated, 0 \(0 %\) duplicates/);
    assert.match(stdout, /Units of 16 KiB: 125 read/);
    assert.match(stdout, /█/);
    assert.match(stdout, /╵0 +╵1 KiB +╵2 KiB +╵3 KiB +╵4 KiB/);
    assert.match(stdout, /lz4 +zbud +4096 +500 +2\.00 +1\.\d\d +[12]\.\d +0 +0\.98 MiB +1\.98x/);
    assert.match(stdout, /zstd +zbud +\d+ \(fitted\) /);
    assert.match(
      lines.at(-1) as string,
      /^Advice: \w+ with \d+ KiB units keeps 1\.95 MiB in \d+ KiB \(\d\.\d\dx\): saves .* MiB \(\d+(\.\d)? %\), in createPool\("zbud", \{ pageSize: \d+, maxPages: \d+ \}\)$/,
    );
    assert.ok(!stdout.includes(ESCAPE), "no colours when piped");
    // Advice is a sentence; everything else fits a terminal.
    for (const line of lines.filter(
      (text) =>
        !/^(?:Advice|Quicker|Smaller|Store|Cache|Why ◀| {2}(?:a cache|a page store|a pool)):/.test(text) &&
        !/^ {2}the pool's row/.test(text),
    )) {
      assert.ok(line.length <= 100, `${line.length}: ${line}`);
      assert.equal(line, line.trimEnd());
    }
  });

  it("--json prints one line of plain figures, and nothing else", async () => {
    const { code, stdout, stderr } = await run([
      "estimate",
      file,
      "--json",
      "--unit",
      "4k",
      "--codec",
      "lz4",
    ]);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "");
    assert.equal(stdout.split("\n").length, 2);
    const result = JSON.parse(stdout) as Estimate;
    assert.equal(result.schema, "zbud-estimate/2");
    assert.deepEqual(Object.keys(result), ["schema", "input", "sample", "units", "advice"]);
    assert.equal(result.input.bytes, bytes.length);
    assert.deepEqual(
      result.units.map(({ unit, units }) => [unit, units]),
      [[4096, 500]],
    );
    assert.deepEqual(Object.keys(result.units[0].codecs[0]), [
      "codec",
      "incompressible",
      "compressible",
      "compressedBytes",
      "codecRatio",
      "sizes",
      "histogram",
      "compressNsPerUnit",
      "decompressNsPerUnit",
      "pools",
      "fit",
    ]);
    assert.deepEqual(Object.keys(result.units[0].codecs[0].pools[0]), [
      "driver",
      "pageSize",
      "fitted",
      "pageSizes",
      "objects",
      "pages",
      "objectsPerPage",
      "pageBytes",
      "metadataBytes",
      "fixedBytes",
      "refused",
      "rawBytes",
      "heldBytes",
      "ratio",
      "storeNsPerObject",
      "halfFreed",
    ]);
  });

  it("standard input: named, piped without a name, and redirected from a file", async () => {
    for (const args of [["estimate", "-"], ["estimate"]]) {
      const { code, stdout, stderr } = await run([...args, "--codec", "lz4", "--unit", "4k", "--details"], {
        input: bytes,
      });
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^standard input\n {2}1\.95 MiB would be kept in /);
      assert.match(stdout, /\n1\.95 MiB; all of it read\n/);
      assert.match(stdout, /Units of 4 KiB: 500 read/);
    }
  });

  it("a sample says how much was read of how much, and the seed repeats it", async () => {
    const args = ["estimate", file, "--json", "--sample", "1m", "--seed", "9"];
    const [one, two] = await Promise.all([run(args), run(args)]);
    const figures = ({ stdout }: { stdout: string }): string =>
      stdout.replaceAll(/"\w+NsPer(?:Unit|Object)":\d+/g, "");
    const pools = (text: string): unknown =>
      (JSON.parse(text) as Estimate).units.map((unit) =>
        unit.codecs[0].pools.map((pool) => ({ ...pool, storeNsPerObject: null })),
      );
    assert.deepEqual(pools(one.stdout), pools(two.stdout));
    // The advice weighs times, which are measured.
    assert.equal(figures(one).split('"advice"')[0], figures(two).split('"advice"')[0]);
    const { stdout } = await run(["estimate", file, "--sample", "1m", "--seed", "9"]);
    assert.match(stdout, /1 file, 1\.95 MiB; read 1 MiB \(51\.2 %\), evenly, seed 9/);
  });

  it("colours: FORCE_COLOR has them in a pipe, NO_COLOR never has them", async () => {
    const forced = await run(["estimate", file], { env: { FORCE_COLOR: "1" } });
    assert.ok(forced.stdout.includes(ESCAPE));
    const none = await run(["estimate", file], { env: { NO_COLOR: "1" } });
    assert.ok(!none.stdout.includes(ESCAPE));
    const json = await run(["estimate", file, "--json"], { env: { FORCE_COLOR: "1" } });
    assert.ok(!json.stdout.includes(ESCAPE));
  });

  it("a reader that has enough ends it without a word", async () => {
    const child = start(["estimate", file]);
    child.stdout?.destroy();
    const { code, stderr } = await ended(child);
    assert.deepEqual([code, stderr], [0, ""]);
  });

  it("data that cannot be saved on is told to stay as it is", async () => {
    const { code, stdout } = await run(["estimate", "-"], { input: partlyNoisy(100, 4096, 4096, 1) });
    assert.equal(code, 0);
    assert.match(stdout, /\n {2}No: keep it uncompressed: .* would hold 400 KiB in 400 KiB\n/);
  });
});

describe("zbud", () => {
  it("help names commands, options, examples and exit codes", async () => {
    for (const args of [[], ["--help"], ["help"]]) {
      const { code, stdout, stderr } = await run(args);
      assert.deepEqual([code, stderr], [0, ""], args.join());
      assert.match(stdout, /^Usage: zbud .*\n[\s\S]*estimate [\s\S]*replay [\s\S]*Exit codes:\n {2}0 /);
    }
    const { stdout } = await run(["estimate", "--help"]);
    for (const word of [
      "--pid",
      "--codec",
      "--driver",
      "--unit",
      "--sample",
      "--seed",
      "--json",
      "Examples:",
      "130",
    ]) {
      assert.ok(stdout.includes(word), word);
    }
    for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
    assert.match((await run(["replay", "--help"])).stdout, /Examples:\n {2}zbud replay /);
  });

  it("--version", async () => {
    const { code, stdout } = await run(["--version"]);
    assert.equal(code, 0);
    assert.match(stdout, /^zbud \d+\.\d+\.\d+\n$/);
  });
});

describe("npm start", () => {
  it("without arguments: a Node process, a program and text, within 30 seconds", async () => {
    const begun = performance.now();
    const { code, stdout, stderr } = await run([], { file: START });
    const seconds = (performance.now() - begun) / 1000;
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "");
    assert.match(stdout, /1 of 3: a Node process starts, and loads .* of JSON/);
    if (process.platform === "linux") assert.match(stdout, /\nprocess \d+ \(.*\), anonymous memory in RAM, /);
    assert.match(stdout, /\nA program: .*node/);
    assert.match(stdout, /\nIn short\n +bytes +held in +ratio +saved +with\n {2}memory of a Node process /);
    assert.equal(stdout.match(/ would be kept in /g)?.length, process.platform === "linux" ? 3 : 2);
    assert.ok(seconds < 30, `${seconds} s`);
  });

  it("passes arguments on: a path, a command, an option", async () => {
    assert.match((await run([file], { file: START })).stdout, / would be kept in /);
    assert.match((await run(["estimate", file], { file: START })).stdout, / would be kept in /);
    assert.match((await run(["--version"], { file: START })).stdout, /^zbud /);
    const { code, stderr } = await run(["--codec", "x", file], { file: START });
    assert.equal(code, 2);
    assert.match(stderr, /unknown codec "x"/);
  });

  it("--demo --json: one estimate a line", async () => {
    const { code, stdout } = await run(["estimate", "--demo", "--json", "--codec", "lz4", "--unit", "16k"]);
    assert.equal(code, 0);
    for (const line of stdout.trimEnd().split("\n")) {
      assert.equal((JSON.parse(line) as Estimate).schema, "zbud-estimate/2");
    }
  });
});
