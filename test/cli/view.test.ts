import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ZbudPool } from "../../src/entry/index.ts";
import { parseTrace, replay } from "../../src/trace/index.ts";
import { type Viewer, viewer } from "../../src/viewer/index.ts";
import { ended, run, start } from "./command.ts";

const TRACE = join(import.meta.dirname, "../fixtures/traces/uniform-evict-all.jsonl");

describe("zbud view", () => {
  it("serves a trace until it is stopped", async () => {
    const child = start(["view", TRACE]);
    let said = "";
    child.stdout?.setEncoding("utf8");
    while (!said.includes("\n")) said += (await once(child.stdout as NodeJS.ReadableStream, "data"))[0];
    const [url] = said.split("\n");
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    const stats = (await (await fetch(`${url}stats`)).json()) as { hello: { title: string } };
    assert.equal(stats.hello.title, TRACE);
    const top = await run(["top", url, "--count", "1"]);
    assert.equal(top.code, 0, top.stderr);
    assert.match(top.stdout, /^counter +now +a second$/m);
    const map = await run(["map", url]);
    assert.equal(map.code, 0, map.stderr);
    assert.match(map.stdout, /^zbud: 0 pages of at most \d+, 0 objects/);
    child.kill("SIGINT");
    assert.equal((await ended(child)).code, 130);
  });

  for (const [args, why] of [
    [["view", "nothing.jsonl"], /nothing\.jsonl: there is no such file/],
    [["view", import.meta.filename], /view\.test\.ts: line 1 is not JSON/],
    [["view", TRACE, "--port", "x"], /--port takes a whole number/],
    [["view"], /missing required argument/],
    [["top", "elsewhere"], /name a port or an address such as http/],
    [["top", "1"], /nobody answers at http:\/\/127\.0\.0\.1:1:/],
    [["map", "nothing.jsonl"], /there is no such file/],
  ] as const) {
    it(`${args.join(" ").slice(0, 40)}: one line says what is wrong`, async () => {
      const { code, stdout, stderr } = await run(args);
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.match(stderr, why);
      assert.equal(stderr.trim().split("\n").length, 1);
    });
  }
});

describe("zbud map", () => {
  it("a trace's pool at its end", async () => {
    const { stats } = replay(parseTrace(readFileSync(TRACE, "utf8")));
    const { code, stdout } = await run(["map", TRACE, "--pages", "10"]);
    assert.equal(code, 0);
    const head = new RegExp(`^zbud: ${stats.pages} pages of at most 400, ${stats.objects} objects\n`);
    assert.match(stdout, head);
    assert.equal(stdout.match(/^ *\d+ [·█▓]{16,} LRU \d+$/gm)?.length, 10);
    assert.match(stdout, new RegExp(`and ${stats.pages - 10} pages more: --pages`));
    assert.match(stdout, /^reclaimed next\npage \d+, \d+/m);
  });

  it("and earlier", async () => {
    const { stdout } = await run(["map", TRACE, "--at", "1"]);
    assert.match(stdout, /^zbud: 1 page of at most 400, 1 object\n/);
  });
});

describe("zbud top", () => {
  const pool = new ZbudPool({ maxPages: 10 });
  let shown: Viewer;
  let url = "";
  before(async () => {
    shown = viewer(pool, { title: "a \x1b[31mred pool" });
    ({ url } = await shown.listen());
  });
  after(async () => {
    await shown.close();
    pool.close();
  });

  it("shows the counters, and what changes", async () => {
    const child = start(["top", url, "--every", "300", "--count", "2"]);
    await once(child.stdout as NodeJS.ReadableStream, "readable");
    for (let i = 0; i < 5; i++) pool.alloc(100);
    const { code, stdout } = await ended(child);
    assert.equal(code, 0);
    assert.match(stdout, /^objects +0$/m);
    assert.match(stdout, /^objects +5 +\+\d/m);
    assert.match(stdout, /^a \\x1b\[31mred pool/, "control characters are shown, not obeyed");
  });

  it("something else that answers is no viewer", async () => {
    const { createServer } = await import("node:http");
    const other = createServer((_request, response) => response.end("{}")).listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    for (const command of ["top", "map"]) {
      const { code, stderr } = await run([command, String(port)]);
      assert.equal(code, 2);
      assert.match(stderr, /viewer/);
    }
    other.close();
  });
});
