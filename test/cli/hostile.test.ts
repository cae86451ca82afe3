import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import type { Estimate } from "../../src/estimate/index.ts";
import { partlyNoisy } from "../estimate/noisy-data.ts";
import { until } from "../support/until.ts";
import { ended, hasOpen, run, START, start, untilItWaits } from "./command.ts";

const TRACE = join(import.meta.dirname, "../fixtures/traces/zpool-edge.jsonl");
const LINUX = process.platform === "linux";
const folder = temporaryFolder("hostile");
const bytes = partlyNoisy(100, 4096, 900, 1);
const FAST = ["--codec", "lz4", "--unit", "4k"];

describe("names that a terminal would obey", { skip: process.platform === "win32" }, () => {
  const name = "a\x1b[31m\x9b2J\rb\u202e";
  const file = join(folder, name);
  writeFileSync(file, bytes);
  const UNSAFE = /(?!\n)[\p{Cc}\u202e]/u;

  it("are shown escaped, in a report and in JSON whole", async () => {
    const { stdout } = await run(["estimate", file, ...FAST]);
    assert.match(stdout, /a\\x1b\[31m\\x9b2J\\x0db\\u202e\n/);
    assert.doesNotMatch(stdout, UNSAFE);
    const json = await run(["estimate", file, "--json", ...FAST]);
    assert.equal((JSON.parse(json.stdout) as Estimate).input.label, file);
  });

  it("and in messages", async () => {
    for (const args of [
      ["estimate", `${file}-gone`],
      ["replay", file],
      ["replay", `${file}-gone`],
    ]) {
      const { code, stderr } = await run(args);
      assert.equal(code, 2);
      assert.doesNotMatch(stderr, UNSAFE);
    }
  });
});

describe("output", () => {
  it("that cannot be written is one line, and exit code 1", {
    skip: !existsSync("/dev/full"),
  }, async () => {
    const full = openSync("/dev/full", "w");
    const child = start(["--help"], { stdio: ["ignore", full, "pipe"] });
    const { code, stderr } = await ended(child);
    assert.equal(code, 1);
    assert.match(stderr, /^zbud: the output cannot be written \(ENOSPC\)[^\n]*\n$/);
  });
});

describe("zbud replay", { skip: !LINUX }, () => {
  it("standard input, by each of its names, and a pipe with a name", async () => {
    const input = readFileSync(TRACE);
    for (const name of ["-", "/dev/stdin"]) {
      const { code, stdout, stderr } = await run(["replay", name], { input });
      assert.deepEqual([code, stderr], [0, ""]);
      assert.match(stdout, / operations, 0 mismatches\n$/);
    }
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const child = start(["replay", pipe]);
    await untilItWaits(child.pid as number);
    execFileSync("sh", ["-c", 'cat "$0" >"$1"', TRACE, pipe]);
    const { code, stdout } = await ended(child);
    assert.equal(code, 0);
    assert.match(stdout, / operations, 0 mismatches\n$/);
  });

  it("an end to a pipe that nobody writes to: Ctrl-C", { timeout: 30_000 }, async () => {
    const pipe = join(folder, "silent");
    execFileSync("mkfifo", [pipe]);
    const child = start(["replay", pipe]);
    await untilItWaits(child.pid as number);
    child.kill("SIGINT");
    assert.deepEqual(await ended(child), { code: 130, signal: null, stdout: "", stderr: "" });
  });

  it("a long trace stops when it is told to", { timeout: 60_000 }, async () => {
    const long = join(folder, "long");
    const lines = ['{"trace":"zbud/1","interface":"zbud","pageSize":4096,"maxPages":4,"evict":false}'];
    for (let i = 0; i < 400_000; i++) {
      lines.push(`{"op":"alloc","size":100,"id":${i},"page":${i},"offset":64,"pages":1}`);
      lines.push(`{"op":"free","id":${i},"pages":0}`);
    }
    writeFileSync(long, `${lines.join("\n")}\n`);
    const child = start(["replay", long]);
    await until("it reads the trace", () => hasOpen(child.pid as number, long));
    child.kill("SIGINT");
    assert.deepEqual(await ended(child), { code: 130, signal: null, stdout: "", stderr: "" });
  });

  it("no trace in it", async () => {
    const empty = join(folder, "empty");
    writeFileSync(empty, "");
    assert.match((await run(["replay", empty])).stderr, /^zbud: .*empty: it is empty; name a trace\n$/);
    assert.match(
      (await run(["replay", "-", "-"], { input: "" })).stderr,
      /standard input can be replayed once/,
    );
  });
});

describe("zbud estimate", () => {
  it("--demo takes --sample", async () => {
    const { code, stdout } = await run(["estimate", "--demo", "--json", "--sample", "1m", ...FAST]);
    assert.equal(code, 0);
    for (const line of stdout.trimEnd().split("\n")) {
      const { sample } = JSON.parse(line) as Estimate;
      assert.equal(sample.limitBytes, 1 << 20);
      assert.ok(sample.bytes < 2 << 20);
    }
  });

  it("options without a value, and a sample below the unit, are named", async () => {
    const file = join(folder, "data");
    writeFileSync(file, bytes);
    assert.match((await run(["estimate", file, "--unit", ","])).stderr, /^zbud: --unit needs a value/);
    assert.match((await run(["estimate", file, "--sample", "1k"])).stderr, /--sample.*--unit/);
  });

  it("a file of /proc is no empty file", { skip: !LINUX }, async () => {
    const { code, stderr } = await run(["estimate", "/proc/self/maps"]);
    assert.equal(code, 2);
    assert.match(stderr, /reports no size, though it has bytes: pipe it in, and name -/);
  });

  it("a process and files together: the sizes of both", { skip: !LINUX }, async () => {
    const file = join(folder, "beside");
    writeFileSync(file, bytes);
    const { stdout } = await run(["estimate", file, "--pid", `${process.pid}`, "--sample", "2m", ...FAST]);
    assert.match(stdout, /anonymous memory in RAM [\d.]+ MiB, 1 file 400 KiB, together [\d.]+ MiB\n/);
    assert.match(stdout, /Not read: memory shared with other processes, and mapped files/);
  });
});

describe("npm start", () => {
  it("estimates what is piped in", async () => {
    const { code, stdout, stderr } = await run([], { file: START, input: bytes });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^standard input\n {2}400 KiB would be kept in /);
  });

  it("shows what it is for when nothing comes, and says how to wait", { timeout: 60_000 }, async () => {
    const child = start([], { file: START, input: "" });
    let text = "";
    child.stdout?.on("data", (piece) => {
      text += piece;
      child.kill("SIGINT");
    });
    const { code, stderr } = await ended(child);
    assert.equal(code, 130);
    assert.match(text, /^What would compressed memory save\?/);
    assert.match(stderr, /to wait for it: npm start -- -\n$/);
  });
});
