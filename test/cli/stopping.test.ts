import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { temporaryFolder } from "../../scripts/tools.ts";
import { partlyNoisy } from "../estimate/noisy-data.ts";
import { until } from "../support/until.ts";
import { bytesReadBy, ended, hasOpen, MAIN, QUIET, start, untilItWorked } from "./command.ts";
import { CAN_SHARE, freshPath, hold } from "./holding.ts";

const LINUX = process.platform === "linux";
const folder = temporaryFolder("stop");

/** Feeds more than a pipe holds, and waits until it was taken: then the command is at work. */
async function feed(child: ChildProcess, bytes: Uint8Array): Promise<void> {
  await new Promise((resolve) => child.stdin?.write(bytes, resolve));
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
  return text.trim() === "" ? [] : text.trim().split(" ").map(Number);
}

describe("Ctrl-C", { skip: !LINUX }, () => {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    it(`${signal} while a stream is awaited: exit code ${code}, without a word`, async () => {
      const child = start(["estimate", "-"], { input: "" });
      await feed(child, partlyNoisy(1000, 4096, 100, 1));
      child.kill(signal);
      assert.deepEqual(await ended(child), { code, signal: null, stdout: "", stderr: "" });
    });
  }

  it("while it computes: it stops at once", async () => {
    const child = start(["estimate", "-", "--codec", "deflate", "--unit", "1k,2k,4k,8k,16k"], { input: "" });
    await feed(child, partlyNoisy(16_384, 4096, 1000, 1));
    child.stdin?.end();
    // It has far more to compute than this: what it would say at its end is not said.
    await untilItWorked(child.pid as number, 20);
    child.kill("SIGINT");
    assert.deepEqual(await ended(child), { code: 130, signal: null, stdout: "", stderr: "" });
  });

  it("in the demonstration: the process that it started is gone too", async () => {
    const child = start(["estimate", "--demo"]);
    const pid = child.pid as number;
    await until("it started its process", () => childrenOf(pid).length > 0);
    const [inner] = childrenOf(pid);
    child.kill("SIGINT");
    const { code, stderr } = await ended(child);
    assert.deepEqual([code, stderr], [130, ""]);
    assert.equal(existsSync(`/proc/${inner}`), false);
  });
});

describe("a process that ends while it is read", { skip: !LINUX }, () => {
  it("is no reason to fail: what was read is used, and it is said", async () => {
    const program = `
      globalThis.kept = Buffer.alloc(400 << 20, "abcdefgh12345");
      console.log("ready");
      process.stdin.resume().on("end", () => process.exit());`;
    const victim = spawn(process.execPath, ["-e", program], { stdio: ["pipe", "pipe", "inherit"] });
    await once(victim.stdout, "data");
    const child = start(["estimate", "--pid", `${victim.pid}`, "--sample", "all", "--unit", "4k"]);
    try {
      await until("its memory is open", () => hasOpen(child.pid as number, `/proc/${victim.pid}/mem`));
      const before = bytesReadBy(child.pid as number);
      await until("some of it is read", () => bytesReadBy(child.pid as number) > before + 2 ** 24);
    } finally {
      victim.kill("SIGKILL");
    }
    const { code, stdout, stderr } = await ended(child);
    assert.doesNotMatch(stderr, / at /);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(
      stdout,
      /The process ended while it was read: the figures are of what was read until then\./,
    );
    assert.match(stdout, /; read \d+(\.\d+)? MiB \(\d+(\.\d+)? %\)\n/);
  });
});

/** Runs a command on a terminal of its own, with util-linux's `script`. */
/** What would decide about colours in the place of the terminal; a CI is one that Node takes for without. */
const NO_OPINION = { NO_COLOR: undefined, FORCE_COLOR: undefined, CI: undefined };

function onTerminal(args: string[], env: NodeJS.ProcessEnv): ChildProcess {
  const command = [process.execPath, QUIET, MAIN, ...args].map((word) => `'${word}'`).join(" ");
  return spawn("script", ["-qec", command, "/dev/null"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TERM: "xterm-256color", ...NO_OPINION, ...env },
  });
}

/** A trace that takes a while: one object after the other in the same place. */
function writeLongTrace(path: string): void {
  const lines = ['{"trace":"zbud/1","interface":"zbud","pageSize":4096,"maxPages":4,"evict":false}'];
  for (let id = 0; id < 100_000; id++) {
    lines.push(`{"op":"alloc","size":1000,"id":${id},"page":${id},"offset":64,"pages":1}`);
    lines.push(`{"op":"free","id":${id},"pages":0}`);
  }
  writeFileSync(path, `${lines.join("\n")}\n`);
}

const hasScript = LINUX && spawnSync("script", ["--version"]).stdout?.includes("util-linux") === true;

describe("on a terminal", { skip: !hasScript }, () => {
  const file = join(folder, "for-terminal");
  writeFileSync(file, partlyNoisy(4096, 4096, 1000, 1));
  const ESCAPE = "\x1b[";
  const HIDE_CURSOR = `${ESCAPE}?25l`;
  const SHOW_CURSOR = `${ESCAPE}?25h`;
  const BOLD = `${ESCAPE}1m`;
  const DIM = `${ESCAPE}2m`;

  it("a progress bar while it works, colours, and the cursor is back at the end", async () => {
    const { code, stdout } = await ended(onTerminal(["estimate", file], {}));
    assert.equal(code, 0);
    assert.match(stdout, /█░+ \d+ % (?:\d+ \w+ left: )?\d+ KiB units: /);
    assert.ok(stdout.lastIndexOf(SHOW_CURSOR) > stdout.lastIndexOf(HIDE_CURSOR));
    assert.ok(stdout.includes(BOLD) && stdout.includes(DIM));
    assert.match(stdout, /would be kept in/);
  });

  for (const [command, ending] of [
    ["replay", /\d+ operations, 0 mismatches/],
    ["map", /0 objects/],
  ] as const) {
    it(`${command} shows how far it is with a long trace, and the bar is gone at the end`, async () => {
      const trace = join(folder, "long.jsonl");
      writeLongTrace(trace);
      const { code, stdout } = await ended(onTerminal([command, trace], {}));
      assert.equal(code, 0, stdout);
      assert.match(stdout, /\d+ % (?:\d+ \w+ left: )?reading long\.jsonl/);
      assert.match(stdout, /\d+ % (?:\d+ \w+ left: )?replaying long\.jsonl/);
      assert.match(stdout.slice(stdout.lastIndexOf(SHOW_CURSOR)), ending);
      assert.doesNotMatch(stdout.slice(stdout.lastIndexOf(SHOW_CURSOR)), /░/);
    });
  }

  it("view shows how far it is with reading, and then where to look", async () => {
    const trace = join(folder, "long.jsonl");
    writeLongTrace(trace);
    const terminal = onTerminal(["view", trace], {});
    let text = "";
    terminal.stdout?.on("data", (piece) => {
      text += piece;
    });
    await until("it says where to look", () => text.includes("http://127.0.0.1"));
    // Before anything is looked at: what fails leaves nobody behind.
    const [shell] = childrenOf(terminal.pid as number);
    process.kill(childrenOf(shell)[0] ?? shell, "SIGINT");
    await once(terminal, "close");
    assert.match(text, /\d+ % (?:\d+ \w+ left: )?reading long\.jsonl/);
    assert.ok(text.indexOf(SHOW_CURSOR) < text.indexOf("http://127.0.0.1"));
  });

  it("NO_COLOR has no colours; --json has no bar", async () => {
    const plain = await ended(onTerminal(["estimate", file], { NO_COLOR: "1" }));
    assert.ok(!plain.stdout.includes(BOLD) && !plain.stdout.includes(DIM));
    const json = await ended(onTerminal(["estimate", file, "--json"], {}));
    assert.ok(!json.stdout.includes(ESCAPE));
    JSON.parse(json.stdout);
  });

  for (const [key, code] of [
    ["q", 0],
    ["\x03", 130],
  ] as const) {
    it(`top fits a screen of 24 lines, and ends at ${JSON.stringify(key)}`, {
      skip: !CAN_SHARE,
    }, async () => {
      const path = freshPath();
      const holder = await hold("store", path);
      const top = `'${process.execPath}' ${QUIET} '${MAIN}' top ${path} --every 100`;
      const command = `stty rows 24 cols 80; ${top}; code=$?; stty -a; exit $code`;
      const terminal = spawn("script", ["-qec", command, "/dev/null"], {
        stdio: ["pipe", "pipe", "inherit"],
        env: { ...process.env, TERM: "xterm-256color", ...NO_OPINION },
      });
      let text = "";
      terminal.stdout.on("data", (piece) => {
        text += piece;
      });
      const home = `${ESCAPE}H`;
      await until("it drew three times", () => text.split(home).length > 3);
      terminal.stdin.write(key);
      await once(terminal, "close");
      assert.equal(terminal.exitCode, code);
      const [, ...screens] = text.split(home);
      for (const drawn of screens) {
        const [seen] = drawn.split(`${ESCAPE}J`);
        const lines = stripVTControlCharacters(seen).trimEnd().split("\r\n");
        assert.ok(lines.length < 24, `${lines.length} lines`);
        for (const line of lines) assert.ok(line.length <= 80, line);
      }
      assert.match(screens[0], /1–\d+ of \d+ /);
      assert.match(text, / icanon.* echo /s, "the terminal is as it was");
      await holder.end();
    });
  }

  /** Starts a long estimate on a terminal, sends signals to it when it is at work, and gives what it said. */
  async function interrupted(signals: readonly NodeJS.Signals[]): Promise<string> {
    const terminal = onTerminal(["estimate", file, "--codec", "deflate", "--unit", "1k,2k,4k,8k,16k"], {});
    let text = "";
    terminal.stdout?.on("data", (piece) => {
      text += piece;
    });
    await until("the bar is there", () => text.includes("░"));
    const [shell] = childrenOf(terminal.pid as number);
    const inner = childrenOf(shell)[0] ?? shell;
    for (const signal of signals) process.kill(inner, signal);
    await once(terminal, "close");
    assert.ok(
      text.lastIndexOf(SHOW_CURSOR) > text.lastIndexOf(HIDE_CURSOR),
      JSON.stringify(text.slice(-300)),
    );
    return text;
  }

  it("Ctrl-C brings the cursor back", async () => {
    assert.doesNotMatch(await interrupted(["SIGINT"]), / at .*:\d+:\d+/);
  });

  it("so does a second one, which ends it at once", async () => {
    // Two of one kind might arrive as one.
    await interrupted(["SIGSTOP", "SIGINT", "SIGTERM", "SIGCONT"]);
  });
});
