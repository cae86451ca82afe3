/** `zbud top` and `zbud map` on real terminals, small ones too. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ZbudPool } from "../../src/entry/index.ts";
import { parseTrace, replay } from "../../src/trace/index.ts";
import { viewer } from "../../src/viewer/index.ts";
import { until } from "../support/until.ts";
import { CAN_SHARE, freshPath, hold } from "./holding.ts";
import { HAS_TERMINAL, Terminal } from "./terminal.ts";

const TRACE = join(import.meta.dirname, "../fixtures/traces/uniform-evict-all.jsonl");
const SIZES = [
  [15, 40],
  [24, 80],
] as const;
const END = "\x1b[F";
const HOME = "\x1b[H";
const PAGE_DOWN = "\x1b[6~";

describe("zbud top on a terminal", { skip: !HAS_TERMINAL || !CAN_SHARE }, () => {
  for (const [rows, columns] of SIZES) {
    it(`${columns} × ${rows}: the answers first, and all counters can be reached`, async () => {
      const path = freshPath();
      const holder = await hold("cache", path, "busy");
      const terminal = new Terminal(["top", path, "--every", "100"], rows, columns);
      const first = (
        await terminal.shows("rates", (text) => /a second: .* [1-9][\d,]*\s+sets/s.test(text))
      ).join("\n");
      for (const answer of [/^health +well$/m, /^full .* %/m, /^saves +\S/m, /^now +\S/m])
        assert.match(first, answer);
      assert.match(first, /of 8 MiB,\s+[\d,]+\s+entries/);
      assert.match(first, /^entries +[\d,]+/m);
      terminal.press(PAGE_DOWN);
      await terminal.shows(
        "a page further",
        (text) => !/^entries +[\d,]+/m.test(text) && /^[2-9]\d*–|^1\d+–/m.test(text),
      );
      terminal.press(END);
      const last = await terminal.shows("the end", (text) => /–(\d+) of \1 /.test(text));
      assert.ok(last.join("\n").includes("health"), "the answers stay");
      assert.match(last.join("\n"), columns < 60 ? /used by/ : /cold codec: none/);
      terminal.press(HOME);
      await terminal.shows("the start", (text) => /^entries +[\d,]+/m.test(text));
      terminal.press("q");
      assert.equal(await terminal.ended(), 0);
      terminal.checkFit();
      await holder.end("SIGKILL");
    });
  }

  it("what is paused says so and how to go on", async () => {
    const path = freshPath();
    const holder = await hold("cache", path, "busy");
    const terminal = new Terminal(["top", path, "--every", "100"], 24, 80);
    await terminal.shows("it runs", (text) => text.includes("space pauses"));
    terminal.press(" ");
    await terminal.shows("it is paused", (text) => text.includes("PAUSED: space goes on"));
    // A look that was under way may still come.
    terminal.press(END);
    const paused = await terminal.shows("it scrolls", (text) => /–(\d+) of \1 /.test(text));
    assert.match(paused.at(-1) ?? "", /PAUSED/);
    terminal.press(" ");
    const { length } = terminal.screens;
    await until("it looks again", () => terminal.screens.length > length + 3);
    assert.doesNotMatch(terminal.screens.at(-1)?.join("\n") ?? "", /PAUSED/);
    terminal.press(" ");
    await terminal.shows("it is paused again", (text) => text.includes("PAUSED"));
    terminal.press("\x03");
    assert.equal(await terminal.ended(), 130, "Ctrl-C ends it while it is paused");
    await holder.end("SIGKILL");
  });

  it("says what is not well", async () => {
    const pool = new ZbudPool({ maxPages: 1 });
    const shown = viewer(pool);
    const { port } = await shown.listen();
    const terminal = new Terminal(["top", String(port), "--every", "100"], 15, 40);
    await terminal.shows("it is well", (text) => /^health +well$/m.test(text));
    const refusing = setInterval(() => pool.alloc(3000), 5);
    try {
      await terminal.shows("refusals", (text) => /^health +[\d,]+ refused: the pool is/m.test(text));
    } finally {
      clearInterval(refusing);
    }
    terminal.press("q");
    assert.equal(await terminal.ended(), 0);
    terminal.checkFit();
    await shown.close();
    pool.close();
  });
});

describe("zbud map on a terminal", { skip: !HAS_TERMINAL }, () => {
  for (const [rows, columns] of SIZES) {
    it(`${columns} × ${rows}: what does not fit is scrolled, to its end`, async () => {
      const { stats } = replay(parseTrace(readFileSync(TRACE, "utf8")));
      const terminal = new Terminal(["map", TRACE], rows, columns);
      await terminal.shows("the first pages", (text) => /^ *\d+ [·█▓]+ LRU/m.test(text));
      terminal.press(END);
      const last = (await terminal.shows("the end", (text) => text.includes("reclaimed next"))).join("\n");
      assert.match(
        last.replaceAll("\n", " "),
        new RegExp(`${stats.pages} pages`),
        "the pool is said all the time",
      );
      assert.match(last, /–(\d+) of \1 /);
      terminal.press("q");
      assert.equal(await terminal.ended(), 0);
      terminal.checkFit();
    });

    it(`${columns} × ${rows}: what fits is there, and that is all`, async () => {
      const terminal = new Terminal(["map", TRACE, "--at", "3"], rows, columns);
      assert.equal(await terminal.ended(), 0);
      assert.match(terminal.text, /reclaimed next\npage \d/);
      for (const line of terminal.text.split("\n").slice(-6)) assert.ok(line.length <= columns, line);
    });
  }
});
