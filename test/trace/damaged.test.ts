/** Files that are no traces: a typed error that names the line, never another exception. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng, ZbudError } from "../../src/base/index.ts";
import { parseTrace, replay } from "../../src/trace/index.ts";
import { isCode } from "../support/is-code.ts";
import { fixtureText } from "./trace-workload.ts";

const HEADER = '{"trace":"zbud/1","interface":"zbud","pageSize":4096,"maxPages":8,"evict":true}';
const ALLOC = '{"op":"alloc","size":434,"id":0,"page":0,"offset":64,"pages":1}';

describe("a damaged trace", () => {
  const badHeaders: Record<string, string> = {
    empty: "",
    "an empty line": "\n",
    binary: "\u0000\u0001\u0002",
    "not JSON": "zbud trace",
    "a list": "[1]",
    null: "null",
    "a number": "5",
    "an operation": ALLOC,
    "another version": HEADER.replace("zbud/1", "zbud/2"),
    "another interface": HEADER.replace('"interface":"zbud"', '"interface":"malloc"'),
    "no page size": HEADER.replace('"pageSize":4096,', ""),
    "a page size in words": HEADER.replace("4096", '"4096"'),
    "no maxPages": HEADER.replace('"maxPages":8,', ""),
    "no evict": HEADER.replace(',"evict":true', ""),
    "half a line": HEADER.slice(0, 40),
  };
  for (const [what, header] of Object.entries(badHeaders)) {
    it(`is EBADMSG naming line 1: ${what}`, () => {
      for (const text of [header, `${header}\n${ALLOC}\n`]) {
        assert.throws(() => parseTrace(text), isCode("EBADMSG", "line 1"));
      }
    });
  }

  const badLines: Record<string, string> = {
    "an empty line": "",
    "not JSON": "free 0",
    "half a line": ALLOC.slice(0, 30),
    "a list": "[]",
    null: "null",
    "no op": '{"id":0,"pages":1}',
    "an unknown op": '{"op":"realloc","id":0,"pages":1}',
    "an op from the prototype": '{"op":"constructor","id":0,"pages":1}',
    "no size": ALLOC.replace('"size":434,', ""),
    "a size in words": ALLOC.replace("434", '"434"'),
    "no offset": ALLOC.replace('"offset":64,', ""),
    "a negative page": ALLOC.replace('"page":0', '"page":-1'),
    "half a page": ALLOC.replace('"page":0', '"page":0.5'),
    "no pages": '{"op":"free","id":0}',
    "an unknown error": '{"op":"alloc","size":1,"error":"EIO","pages":1}',
    "an unknown result": '{"op":"reclaim","retries":1,"evictions":[],"result":"fine","pages":1}',
    "no evictions": '{"op":"reclaim","retries":1,"result":"ok","pages":1}',
    "evictions that are none": '{"op":"reclaim","retries":1,"evictions":{},"result":"ok","pages":1}',
    "an eviction that is null": '{"op":"reclaim","retries":1,"evictions":[null],"result":"ok","pages":1}',
    "an eviction without do":
      '{"op":"reclaim","retries":1,"evictions":[{"id":0,"returns":0}],"result":"ok","pages":1}',
    "a null inside a handler":
      '{"op":"reclaim","retries":1,"evictions":[{"id":0,"do":[null],"returns":0}],"result":"ok","pages":1}',
    "no retries": '{"op":"reclaim","evictions":[],"result":"ok","pages":1}',
    "a header": HEADER,
  };
  for (const [what, bad] of Object.entries(badLines)) {
    it(`is EBADMSG naming the line: ${what}`, () => {
      for (const at of [2, 3, 5]) {
        const lines = [
          HEADER,
          ALLOC,
          '{"op":"free","id":0,"pages":0}',
          ALLOC.replace('"id":0', '"id":1'),
          ALLOC,
        ];
        lines[at - 1] = bad;
        lines.push(ALLOC);
        assert.throws(() => parseTrace(lines.join("\n")), isCode("EBADMSG", `line ${at}`));
      }
    });
  }

  it("that frees what is not there contradicts itself", () => {
    const texts = [
      `${HEADER}\n${ALLOC}\n{"op":"free","id":7,"pages":1}`,
      `${HEADER}\n${ALLOC}\n{"op":"free","id":0,"pages":0}\n{"op":"free","id":0,"pages":0}`,
    ];
    for (const text of texts) {
      const line = text.split("\n").length;
      assert.throws(() => replay(parseTrace(text)), isCode("EBADMSG", `line ${line}`));
    }
  });

  it("that gives one id to two objects is noticed", () => {
    const text = `${HEADER}\n${ALLOC}\n${ALLOC.replace('"offset":64', '"offset":3648')}\n`;
    try {
      assert.ok(replay(parseTrace(text)).mismatches.length > 0, "an id for two objects passed unnoticed");
    } catch (error) {
      assert.ok(isCode("EBADMSG", "line 3")(error));
    }
  });

  it("whose header describes no possible pool is a typed error", () => {
    for (const change of ['"pageSize":100', '"pageSize":0', '"maxPages":0', '"maxPages":8,"chunkOrder":40']) {
      const name = change.slice(0, change.indexOf(":"));
      const text = `${HEADER.replace(new RegExp(`${name}:\\d+`), change)}\n${ALLOC}\n`;
      assert.throws(() => replay(parseTrace(text)), ZbudError);
    }
  });

  it("with handlers nested deeper than any stack is a typed error", () => {
    const depth = 20_000;
    const open =
      '{"op":"reclaim","retries":1,"result":"ok","pages":1,"evictions":[{"id":0,"returns":0,"do":[';
    const text = `${HEADER}\n${ALLOC}\n${open.repeat(depth)}${"]}]}".repeat(depth)}\n`;
    assert.throws(() => replay(parseTrace(text)), isCode("EBADMSG", "line 3"));
  });

  it("with Windows line ends, or none at its end, is read all the same", () => {
    const text = fixtureText("no-evict-handler.jsonl").split("\n").slice(0, 200).join("\n");
    assert.equal(parseTrace(text).operations.length, 199);
    assert.equal(parseTrace(`${text}\n`).operations.length, 199);
    assert.equal(parseTrace(text.replaceAll("\n", "\r\n")).operations.length, 199);
  });

  it("in any way at all gives a result or a typed error (2000 random changes, seed 5)", () => {
    const prng = new Prng(5);
    const text = fixtureText("bimodal-evict-reentrant.jsonl").split("\n").slice(0, 140).join("\n");
    let typed = 0;
    let noticed = 0;
    for (let i = 0; i < 2000; i++) {
      const from = prng.below(text.length);
      const cut = prng.below(4) === 0 ? prng.below(200) : prng.below(3);
      const put = prng.chance(0.5) ? '0123456789-,:{}[]"\n'[prng.below(19)] : "";
      const damaged = text.slice(0, from) + put + text.slice(from + cut);
      try {
        if (replay(parseTrace(damaged)).mismatches.length > 0) noticed++;
      } catch (error) {
        if (!(error instanceof ZbudError)) {
          throw new Error(`change ${i} (at ${from}, ${cut} for ${JSON.stringify(put)}) gave ${error}`, {
            cause: error,
          });
        }
        assert.ok(["EBADMSG", "EINVAL", "ENOENT", "ENOMEM"].includes(error.code), error.message);
        typed++;
      }
    }
    assert.ok(typed > 500 && noticed > 100, `${typed} typed errors, ${noticed} mismatches`);
  });
});
