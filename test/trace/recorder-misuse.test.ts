import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { snapshot } from "../../src/diagnostics/index.ts";
import { ZbudPool } from "../../src/drivers/index.ts";
import { parseTrace, record, replay } from "../../src/trace/index.ts";
import { isCode } from "../support/is-code.ts";

const HEADER = '{"trace":"zbud/1","interface":"zbud","pageSize":4096,"maxPages":4,"evict":false}';

describe("recording", () => {
  it("ends, and the pool goes on, when a line cannot be written; stop() tells why", () => {
    const pool = new ZbudPool({ maxPages: 4 });
    let lines = 0;
    const recording = record(pool, () => {
      if (++lines > 2) throw new Error("the disk is full");
    });
    for (let i = 0; i < 4; i++) assert.equal(typeof pool.alloc(1000), "number");
    assert.equal(lines, 3);
    assert.equal(pool.stats().objects, 4);
    assert.throws(() => recording.stop(), /the disk is full/);
    recording.stop();
    pool.close();
  });

  it("leaves the pool free for another if not even the header can be written", () => {
    const pool = new ZbudPool({ maxPages: 4 });
    const fail = (): never => assert.fail("EPIPE");
    assert.throws(() => record(pool, fail), /EPIPE/);
    assert.throws(() => record(pool, undefined as never), isCode("EINVAL", "write"));
    assert.throws(() => record({} as never, () => {}), isCode("EINVAL"));
    record(pool, () => {}).stop();
    pool.close();
  });

  it("stops once, after close as well, and never somebody else's", () => {
    const pool = new ZbudPool({ maxPages: 4 });
    const recording = record(pool, () => {});
    recording.stop();
    let events = 0;
    const end = pool.observe({ onAlloc: () => void events++ });
    recording.stop();
    pool.alloc(100);
    assert.equal(events, 1);
    end();
    for (const handle of snapshot(pool).pages.map(({ first }) => first?.handle))
      if (handle) pool.free(handle);
    const second = record(pool, () => {});
    pool.close();
    second.stop();
  });

  it("writes nothing that cannot be read: handlers nested too deep end it", () => {
    const pool = new ZbudPool({
      maxPages: 150,
      onEvict(handle, pool) {
        pool.reclaimPage(1);
        pool.free(handle);
        return true;
      },
    });
    const lines: string[] = [];
    const recording = record(pool, (line) => lines.push(line));
    for (let i = 0; i < 150; i++) pool.alloc(3900);
    assert.equal(pool.reclaimPage(), "ok");
    assert.throws(() => recording.stop(), isCode("ENOTSUP", "100"));
    assert.deepEqual(replay(parseTrace(lines.join("\n"))).mismatches, []);
    pool.close();
  });
});

describe("replay", () => {
  const trace = parseTrace(HEADER);

  it("names a bad option", () => {
    for (const maxMismatches of [0, -1, Number.NaN, "x"]) {
      assert.throws(
        () => replay(trace, { maxMismatches: maxMismatches as number }),
        isCode("EINVAL", "maxMismatches"),
      );
    }
    assert.throws(() => replay(trace, { shape: { maxpages: 3 } as object }), isCode("EINVAL", "maxpages"));
    assert.throws(() => replay(trace, { shape: { driver: "slot" } }), isCode("ENOENT", "slots"));
    assert.throws(() => replay(null as never), isCode("EINVAL"));
  });

  it("says that line 1 describes no possible pool", () => {
    const impossible = parseTrace(HEADER.replace("4096", "4097"));
    assert.throws(() => replay(impossible), isCode("EINVAL", "line 1"));
    assert.throws(
      () => parseTrace(HEADER.replace('"evict"', '"driver":5,"evict"')),
      isCode("EBADMSG", "driver"),
    );
    assert.throws(() => parseTrace(Buffer.from(HEADER) as never), isCode("EINVAL", "decode"));
  });

  it("notices a wrong count of a shrink whose handler threw", () => {
    const header = HEADER.replace('"interface":"zbud"', '"interface":"zpool"').replace("false", "true");
    const lines = [
      header,
      '{"op":"alloc","size":3900,"id":0,"page":0,"offset":64,"pages":1}',
      '{"op":"alloc","size":3900,"id":1,"page":1,"offset":64,"pages":2}',
      '{"op":"shrink","pages":2,"evictions":[{"id":0,"do":[{"op":"free","id":0,"pages":2}],"returns":0},' +
        '{"id":1,"do":[],"returns":"throw"}],"result":"throw","reclaimed":1,"poolPages":1,"totalSize":4096}',
    ];
    assert.deepEqual(replay(parseTrace(lines.join("\n"))).mismatches, []);
    const planted = lines.join("\n").replace('"reclaimed":1', '"reclaimed":77');
    assert.deepEqual(replay(parseTrace(planted)).mismatches, [
      { line: 4, what: "reclaimed", expected: 77, actual: 1 },
    ]);
  });
});
