import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { temporaryFolder } from "../../scripts/tools.ts";
import { wrapped } from "../../src/cli/layout.ts";
import { leftText } from "../../src/cli/progress-bar.ts";
import { partlyNoisy } from "../estimate/noisy-data.ts";
import { ended, MAIN, QUIET } from "./command.ts";

const folder = temporaryFolder("widths");
const file = join(folder, "a-file-with-a-name-that-is-longer-than-a-narrow-terminal.bin");
writeFileSync(file, partlyNoisy(600, 4096, 900, 1));

/** Runs the command on a terminal of this size, with util-linux's `script`; its standard output alone is the terminal. */
async function onTerminal(columns: number, rows: number, args: string[]): Promise<string[]> {
  const command = [process.execPath, QUIET, MAIN, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn(
    "script",
    ["-qec", `stty cols ${columns} rows ${rows} && exec ${command} 2>/dev/null`, "/dev/null"],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        TERM: "xterm-256color",
        NO_COLOR: undefined,
        FORCE_COLOR: undefined,
        CI: undefined,
      },
    },
  );
  const { code, stdout, stderr } = await ended(child);
  assert.equal(code, 0, stderr + stdout);
  return stdout.split("\r\n").map(stripVTControlCharacters);
}

const COMMANDS: [string, string[]][] = [
  ["an estimate", ["estimate", file, "--codec", "lz4", "--unit", "4k"]],
  ["with all tables", ["estimate", file, "--details"]],
  ["for the kernel", ["estimate", "--kernel", file]],
  ["for the kernel, with all tables", ["estimate", "--kernel", "--details", file]],
  ["its help", ["estimate", "--help"]],
];

describe("zbud estimate on a terminal", { skip: process.platform !== "linux" }, () => {
  for (const [columns, rows] of [
    [40, 15],
    [80, 24],
    [120, 40],
  ]) {
    for (const [name, args] of COMMANDS) {
      it(`${name} fits ${columns} × ${rows}`, async () => {
        const lines = await onTerminal(columns, rows, args);
        assert.ok(lines.length > 5, lines.join("\n"));
        for (const line of lines) assert.ok(line.length <= columns, `${line.length}: ${line}`);
        // Text flows to the width that there is.
        const widest = Math.max(...lines.map((line) => line.length));
        assert.ok(
          widest > Math.min(columns * 0.8, 80),
          `the widest line has ${widest} of ${columns} columns`,
        );
      });
    }
  }

  it("says the answer within the first screen of 40 × 15", async () => {
    const lines = (await onTerminal(40, 15, ["estimate", file])).slice(0, 15);
    const text = lines.join(" ").replaceAll(/ +/g, " ");
    assert.match(text, /2\.34 MiB would be kept in \d+ KiB: [\d.]+ times smaller/);
    assert.match(text, /with \w+, \d+ KiB at a time/);
  });

  it("what is to be pasted stays whole: a shell's line goes on behind a backslash", async () => {
    const whole = await onTerminal(120, 40, ["estimate", "--kernel", file]);
    const narrow = await onTerminal(40, 15, ["estimate", "--kernel", file]);
    const commands = (lines: string[]): string[] =>
      lines
        .join("\n")
        .replaceAll(/ \\\n +/g, " ")
        .split("\n")
        .filter((line) => /^ {2}(?:echo|cd|mkswap|swapon) /.test(line));
    assert.deepEqual(commands(narrow), commands(whole));
    assert.ok(commands(whole).length >= 4);
  });
});

describe("text in lines", () => {
  it("breaks between words, keeps numbers with their units, and breaks what is too long", () => {
    assert.deepEqual(wrapped("  one two three", 9, "    "), ["  one two", "    three"]);
    assert.deepEqual(wrapped("take 12 MiB now", 9), ["take", "12 MiB", "now"]);
    assert.deepEqual(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    assert.deepEqual(wrapped("echo a b", 8, "  ", " \\"), ["echo a \\", "  b"]);
    // As a shell joins them again: nothing may come between the parts of a word.
    assert.deepEqual(wrapped("echo abcdefghijkl z", 8, "  ", " \\"), [
      "echo \\",
      "  abcde\\",
      "fghijkl \\",
      "  z",
    ]);
    assert.deepEqual(wrapped("", 4), [""]);
    assert.deepEqual(wrapped("any length", Number.POSITIVE_INFINITY), ["any length"]);
  });

  it("says what is left of a long work, and nothing where it is soon over or cannot be told", () => {
    assert.equal(leftText(0.25, 10_000), "30 s left: ");
    assert.equal(leftText(0.1, 60_000), "9 min left: ");
    assert.equal(leftText(0.9, 5000), "");
    assert.equal(leftText(0.01, 5000), "");
  });
});
