/** Who lives is told by locks of the system: nobody's place is lost, and nobody who is slow or stopped counts as dead. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { PLACES, ThreadRegistry } from "../../src/base/index.ts";
import { createPool } from "../../src/drivers/index.ts";
import { isCode } from "../support/is-code.ts";
import { until } from "../support/until.ts";
import { SegmentProcess } from "./segment-process.ts";
import { type OpenSegment, openSegment, SharedFolder } from "./segments.ts";

const folder = new SharedFolder();
const started: SegmentProcess[] = [];
after(async () => {
  for (const each of started) await each.kill();
  folder[Symbol.dispose]();
});

function close({ segment, registry, member }: OpenSegment): void {
  registry.leave(member);
  segment.close();
}

/** A segment that this process has open, and another one as well. */
async function together(name: string): Promise<{ one: OpenSegment; other: SegmentProcess; member: number }> {
  const one = openSegment({ name: folder.file(name) });
  const other = await SegmentProcess.start();
  started.push(other);
  const { member = 0 } = await other.open({ name: folder.file(name) });
  assert.notEqual(member, one.member);
  assert.equal(one.registry.isGone(member), false);
  return { one, other, member };
}

/** The state of a process, as the system shows it. */
function stateOf(pid: number | undefined): string {
  return readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1][0];
}

describe("a process in a segment", () => {
  it("is there until it is killed, and then its place is free at once", async () => {
    const { one, other, member } = await together("killed");
    await other.kill();
    assert.equal(one.registry.isGone(member), true);
    const next = openSegment({ name: folder.file("killed") });
    assert.equal(next.member % PLACES, member % PLACES, "its place is the first that is free");
    assert.notEqual(next.member, member, "and its turn is another one");
    assert.equal(next.registry.inherits, true, "what it left half done is to be repaired");
    assert.equal(one.registry.isGone(member), true, "once gone, always gone");
    assert.equal(one.registry.isGone(next.member), false);
    close(next);
    assert.equal(one.registry.isGone(next.member), true);
    close(one);
  });

  it("that is stopped is not dead", async () => {
    const { one, other, member } = await together("stopped");
    other.child.kill("SIGSTOP");
    await until("the process is stopped", () => stateOf(other.child.pid) === "T");
    for (let times = 0; times < 100; times++) assert.equal(one.registry.isGone(member), false);
    const next = openSegment({ name: folder.file("stopped") });
    assert.notEqual(next.member % PLACES, member % PLACES);
    close(next);
    other.child.kill("SIGCONT");
    await other.ask({ do: "close" });
    assert.equal(one.registry.isGone(member), true);
    close(one);
    await other.kill();
  });

  it("that is killed while it is stopped is dead", async () => {
    const { one, other, member } = await together("stopped-and-killed");
    other.child.kill("SIGSTOP");
    await other.kill();
    assert.equal(one.registry.isGone(member), true);
    close(one);
  });

  it("gives its place back at once when it closes, and can come again", async () => {
    const { one, other, member } = await together("closed");
    await other.ask({ do: "close" });
    assert.equal(one.registry.isGone(member), true);
    assert.deepEqual(one.registry.taken(), [one.member]);
    const again = await other.open({ name: folder.file("closed") });
    assert.equal((again.member ?? 0) % PLACES, member % PLACES);
    assert.equal(one.registry.isGone(again.member ?? 0), false);
    close(one);
    await other.kill();
  });

  it("leaves nothing to the processes that it started", async () => {
    const { one, other, member } = await together("spawned");
    const { pid = 0 } = await other.ask({ do: "spawn" });
    try {
      const files = spawnSync("ls", ["-l", `/proc/${pid}/fd`], { encoding: "utf8" }).stdout;
      assert.ok(!files.includes(folder.path), files);
      await other.kill();
      assert.equal(stateOf(pid), "S", "what it started lives on");
      assert.equal(one.registry.isGone(member), true);
    } finally {
      process.kill(pid, "SIGKILL");
    }
    close(one);
  });

  it("is told by its lock: the number and the start in its place say nothing", async () => {
    const { one, other, member } = await together("numbers");
    const { words } = one;
    // Whatever stood there: this process's own numbers, as in another container.
    for (let word = 1; word < 5; word++) words[(member % PLACES) * 8 + word] = process.pid;
    assert.equal(one.registry.isGone(member), false);
    await other.kill();
    for (let word = 1; word < 5; word++) words[(member % PLACES) * 8 + word] = process.pid;
    assert.equal(one.registry.isGone(member), true, "a number that is used again does not make it live");
    one.registry.tellGone(0);
    assert.equal(one.registry.isGone(one.member), false, "threads of other processes have such numbers too");
    close(one);
  });

  it("that reads and closes the file by other means keeps its lock", async () => {
    const one = openSegment({ name: folder.file("read") });
    const { other } = await together("read");
    readFileSync(folder.file("read"));
    const another = openSegment({ name: folder.file("read") });
    const { member } = another;
    close(another);
    assert.equal(one.registry.isGone(member), true);
    const looks = openSegment({ name: folder.file("read") });
    assert.equal(looks.registry.isGone(one.member), false);
    close(looks);
    close(one);
    await other.kill();
  });
});

describe("a worker thread in a segment", () => {
  for (const end of ["terminate worker", "end worker"] as const) {
    it(`is gone after it: ${end}`, async () => {
      const { one, other, member } = await together(end);
      const { member: thread = 0 } = await other.ask({ do: "start worker" });
      assert.ok(thread > 0 && thread !== member && thread !== one.member);
      assert.equal(one.registry.isGone(thread), false);
      await other.ask({ do: end });
      await until("the thread is gone", () => one.registry.isGone(thread));
      assert.equal(one.registry.isGone(member), false, "its process is not");
      const { member: next = 0 } = await other.ask({ do: "start worker" });
      assert.equal(next % PLACES, thread % PLACES);
      await other.kill();
      assert.equal(one.registry.isGone(next), true);
      assert.equal(one.registry.isGone(member), true);
      close(one);
    });
  }

  it("stays when the thread that started it closes its own", async () => {
    const { one, other, member } = await together("thread-stays");
    const { member: thread = 0 } = await other.ask({ do: "start worker" });
    await other.ask({ do: "close" });
    assert.equal(one.registry.isGone(member), true);
    assert.equal(one.registry.isGone(thread), false);
    await other.kill();
    close(one);
  });
});

describe("a segment that is full of threads", () => {
  it("gives no place, until one dies or closes", async () => {
    const name = folder.file("places");
    await using other = await SegmentProcess.start();
    const { member = 0 } = await other.open({ name });
    const own = Array.from({ length: PLACES - 2 }, () => openSegment({ name }));
    assert.equal(new Set(own.map((each) => each.member)).size, PLACES - 2);
    const refused = openSegment({ name });
    assert.equal(refused.member, 0);
    await other.kill();
    assert.equal(refused.registry.enter() % PLACES, member % PLACES);
    const [first] = own;
    close(first);
    const next = openSegment({ name });
    assert.equal(next.member % PLACES, first.member % PLACES);
    for (const each of [refused, next, ...own.slice(1)]) each.segment.close();
  });

  it("a pool: EBUSY, and no file stays open", () => {
    const shared = folder.file("pool");
    const options = { maxPages: 4, shared };
    const pools = Array.from({ length: PLACES - 1 }, () => createPool("zbud", options));
    const open = (): number => {
      const { stdout } = spawnSync("ls", ["-l", `/proc/${process.pid}/fd`], { encoding: "utf8" });
      return stdout.split("\n").filter((line) => line.endsWith(shared)).length;
    };
    const before = open();
    assert.ok(before >= PLACES - 1, `${before} are open`);
    assert.throws(() => createPool("zbud", options), isCode("EBUSY", "127 threads"));
    assert.equal(open(), before);
    pools.pop()?.close();
    pools.push(createPool("zbud", options));
    for (const pool of pools) pool.close();
  });

  it("a segment that is dropped without being closed gives its place back to the next collection", async () => {
    const name = folder.file("dropped");
    const one = openSegment({ name });
    let member = 0;
    (() => {
      member = openSegment({ name }).member;
    })();
    assert.equal(one.registry.isGone(member), false);
    await until("it is collected", () => {
      (globalThis.gc as () => void)();
      return one.registry.isGone(member);
    });
    assert.equal(one.registry.isGone(one.member), false);
    close(one);
  });
});

describe("a table of threads whose file is closed", () => {
  it("nobody is dead, and no place is to be had", () => {
    const name = folder.file("table");
    const one = openSegment({ name });
    const other = openSegment({ name });
    const { registry } = other;
    other.segment.close();
    assert.equal(one.registry.isGone(other.member), true, "its place goes with the file");
    assert.equal(registry.isGone(one.member), false);
    assert.equal(new ThreadRegistry(other.words, 0).enter(), 0);
    assert.equal(other.memory.commit(2), 0, "and there is no room to be had");
    close(one);
  });
});
