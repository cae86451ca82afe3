/** Who makes a segment, who joins it, and what happens if one of them dies, or somebody takes the file away. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { after, describe, it } from "node:test";
import { PLACES, REGISTRY_WORDS } from "../../src/base/index.ts";
import { attachPool, createPool } from "../../src/drivers/index.ts";
import { received, Segment } from "../../src/memory/index.ts";
import { inFolder } from "../../src/memory/segment-folder.ts";
import { encodeSegmentHeader } from "../../src/memory/segment-header.ts";
import type { Pool } from "../../src/pool/index.ts";
import { isCode } from "../support/is-code.ts";
import { putMany } from "../support/objects.ts";
import { bundled, SegmentProcess } from "./segment-process.ts";
import { FREE_WORD, type OpenSegment, openSegment, SharedFolder } from "./segments.ts";

const folder = new SharedFolder();
after(() => folder[Symbol.dispose]());

function close({ segment, registry, member }: OpenSegment): void {
  registry.leave(member);
  segment.close();
}

/** How many threads can take a place still; they keep them until they are closed. */
function placesLeft(name: string): number {
  const taken: OpenSegment[] = [];
  for (;;) {
    const one = openSegment({ name });
    taken.push(one);
    if (one.member === 0) break;
  }
  for (const one of taken) close(one);
  return taken.length - 1;
}

describe("processes that open one name", () => {
  it("at once: one makes it, all others join the same file", async () => {
    const processes = await Promise.all(Array.from({ length: 6 }, () => SegmentProcess.start()));
    try {
      for (let round = 0; round < 8; round++) {
        const name = folder.file(`at-once-${round}`);
        const answers = await Promise.all(processes.map((each) => each.open({ name })));
        assert.equal(answers.filter(({ isNew }) => isNew).length, 1, JSON.stringify(answers));
        assert.equal(new Set(answers.map(({ inode }) => inode)).size, 1);
        const members = new Set(answers.map(({ member }) => member));
        assert.equal(members.size, processes.length, "each has a place of its own");
        assert.ok(!members.has(0));
      }
    } finally {
      await Promise.all(processes.map((each) => each.kill()));
    }
    assert.deepEqual(
      readdirSync(folder.path).filter((name) => name.includes("draft")),
      [],
    );
  });

  it("what one writes, the others read; it outlives all of them", () => {
    const name = folder.file("written");
    const one = openSegment({ name });
    Atomics.store(one.words, FREE_WORD, 7);
    one.memory.commit(3);
    new Uint8Array(one.memory.buffer, 0, 3 * 4096).fill(5);
    close(one);
    const other = openSegment({ name });
    assert.equal(other.isNew, false);
    assert.equal(Atomics.load(other.words, FREE_WORD), 7);
    assert.equal(other.segment.committed[1] >= 3 * 4096, true);
    assert.ok(new Uint8Array(other.memory.buffer, 0, 3 * 4096).every((byte) => byte === 5));
    close(other);
  });

  it("whoever joins waits for nobody who makes, and whoever makes does", async () => {
    const name = folder.file("stopped");
    await using maker = await SegmentProcess.start();
    await maker.open({ name });
    await maker.ask({ do: "lock folder" });
    maker.child.kill("SIGSTOP");
    close(openSegment({ name }));
    await using other = await SegmentProcess.start();
    const made = other.ask({ do: "open", options: { name: folder.file("later") } });
    maker.child.kill("SIGCONT");
    await maker.kill();
    assert.equal((await made).isNew, true);
  });

  it("a process that keeps the folder locked: EBUSY, and no process hangs", async () => {
    const name = folder.file("kept");
    await using keeper = await SegmentProcess.start();
    await keeper.open({ name });
    await keeper.ask({ do: "lock folder" });
    assert.throws(
      () => inFolder(name, () => assert.fail("it is locked"), 20),
      isCode("EBUSY", folder.path, "locked for 0.02 s"),
    );
    await keeper.kill();
    assert.equal(
      inFolder(name, () => 1),
      1,
    );
  });
});

describe("a process that is killed while it opens a segment", () => {
  /** Runs the child until it dies at a call. False: it came to its end before. */
  async function killAt(name: string, call: number): Promise<boolean> {
    const bundle = await bundled("killed-at-child.ts");
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", bundle, name, `${call}`],
      {
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    assert.ok(code === 0 || signal === "SIGKILL", `${code} ${signal}`);
    return signal === "SIGKILL";
  }

  /** Kills at each call, two processes at a time. */
  async function killAtEach(run: (call: number) => Promise<boolean>): Promise<number> {
    let next = 0;
    let ended = 0;
    const works = async (): Promise<void> => {
      while (ended === 0) if (!(await run(next++))) ended = next;
    };
    await Promise.all([works(), works()]);
    return ended - 1;
  }

  it("while it makes it: the next one makes or joins it, and no draft is left", async (t) => {
    let [made, joined] = [0, 0];
    const calls = await killAtEach(async (call) => {
      using own = new SharedFolder();
      const name = own.file("app");
      if (!(await killAt(name, call))) return false;
      const one = openSegment({ name });
      if (one.isNew) made++;
      else {
        joined++;
        assert.ok(
          one.registry.taken().every((member) => member === one.member || one.registry.isGone(member)),
        );
      }
      assert.deepEqual(readdirSync(own.path), ["app"], `killed at call ${call}`);
      if (call % 8 === 0) assert.equal(placesLeft(name), PLACES - 2);
      close(one);
      return true;
    });
    t.diagnostic(`${calls} calls; the next one made it ${made} times, and joined it ${joined} times`);
    assert.ok(made > 15 && joined > 0);
  });

  it("while it joins: the others are undisturbed, and its place is free", async (t) => {
    const name = folder.file("joined");
    const one = openSegment({ name });
    Atomics.store(one.words, FREE_WORD, 9);
    const calls = await killAtEach(async (call) => {
      const isKilled = await killAt(name, call);
      assert.equal(Atomics.load(one.words, FREE_WORD), 9);
      assert.equal(one.registry.isGone(one.member), false);
      return isKilled;
    });
    t.diagnostic(`${calls} calls`);
    assert.ok(calls > 10);
    const others = one.registry.taken().filter((member) => member !== one.member);
    assert.ok(others.every((member) => one.registry.isGone(member)));
    assert.equal(placesLeft(name), PLACES - 2);
    assert.equal(statSync(name).ino, statSync(`/proc/self/fd/${one.segment.descriptor}`).ino);
    close(one);
  });
});

describe("a segment whose file somebody takes away", () => {
  it("replaced while others use it: each goes on with its own", () => {
    const name = folder.file("replaced");
    const old = openSegment({ name, agreement: { maxBytes: 1 } });
    Atomics.store(old.words, FREE_WORD, 1);
    old.segment.check();
    const replaced = openSegment({ name, agreement: { maxBytes: 2 }, whenDifferent: "replace" });
    assert.equal(replaced.isNew, true);
    assert.equal(Atomics.load(replaced.words, FREE_WORD), 0);
    Atomics.store(replaced.words, FREE_WORD, 2);
    assert.equal(Atomics.load(old.words, FREE_WORD), 1);
    assert.equal(old.memory.commit(2), 2, "the old one takes room still");
    new Uint8Array(old.memory.buffer, 0, 8192).fill(1);
    assert.throws(() => old.segment.check(), isCode("ENOENT", name, "removed or replaced"));
    replaced.segment.check();
    assert.ok("table" in received({ segment: replaced.segment.send(), table: undefined }));
    assert.throws(() => Segment.adopt(old.segment.send()), isCode("ENOENT", name, "open it by its name"));
    close(old);
    close(replaced);
  });

  it("removed while it is used: check() says so, and the next one makes it anew", () => {
    const name = folder.file("removed");
    const one = openSegment({ name });
    rmSync(name);
    assert.throws(() => one.segment.check(), isCode("ENOENT", name));
    assert.equal(one.memory.commit(2), 2);
    new Uint8Array(one.memory.buffer, 0, 8192).fill(1);
    const header = one.segment.header;
    assert.throws(() => Segment.map(name, header), isCode("ENOENT", name));
    const other = openSegment({ name });
    assert.equal(other.isNew, true);
    assert.throws(() => one.segment.check(), isCode("ENOENT", name));
    assert.throws(() => Segment.map(name, header), isCode("ENOENT", name));
    other.segment.check();
    close(one);
    close(other);
  });

  for (const [what, take] of [
    ["removed", (name: string) => rmSync(name)],
    ["replaced", (name: string) => close(openSegment({ name, layout: "test 2", whenDifferent: "replace" }))],
  ] as const) {
    it(`${what} between its opening and the place of who joins it: that one leaves it, and begins anew`, () => {
      const name = folder.file(`${what}-before`);
      const one = openSegment({ name });
      const left: OpenSegment[] = [];
      const wish = { name, kind: "test", layout: "test 1", agreement: {}, whenDifferent: "replace" } as const;
      const { made, segment, isNew } = Segment.open<OpenSegment | "made">(
        wish,
        (memory) => {
          const table = memory.buffer(4 * REGISTRY_WORDS);
          return { made: "made", shared: { table }, threads: [new Int32Array(table), 0] };
        },
        (_, joined) => {
          take(name);
          return { ...one, segment: joined };
        },
        (other) => left.push(other as OpenSegment),
      );
      assert.equal(left.length, 1);
      assert.notEqual(left[0].segment, segment);
      assert.equal(left[0].segment.descriptor, -1, "it is closed");
      assert.deepEqual([made, isNew], ["made", true]);
      segment.check();
      segment.close();
      close(one);
    });
  }

  it("moved: the other name has it", () => {
    const [name, other] = [folder.file("moved"), folder.file("moved-there")];
    const one = openSegment({ name });
    renameSync(name, other);
    assert.throws(() => one.segment.check(), isCode("ENOENT", name));
    assert.equal(openSegment({ name: other }).isNew, false);
    close(one);
  });

  it("cut off while it is used: check() says so", () => {
    const name = folder.file("cut");
    const one = openSegment({ name });
    truncateSync(name, 200_000);
    assert.throws(() => one.segment.check(), isCode("EBADMSG", name, "cut off"));
    const other = openSegment({ name });
    assert.equal(other.isNew, true, "the next one makes it anew");
    close(other);
    close(one);
  });

  it("a copy is a segment of its own", () => {
    const [name, copy] = [folder.file("original"), folder.file("copy")];
    const one = openSegment({ name });
    Atomics.store(one.words, FREE_WORD, 3);
    copyFileSync(name, copy);
    const other = openSegment({ name: copy });
    assert.equal(other.isNew, false);
    assert.equal(Atomics.load(other.words, FREE_WORD), 3);
    Atomics.store(other.words, FREE_WORD, 4);
    assert.equal(Atomics.load(one.words, FREE_WORD), 3);
    assert.equal(one.registry.isGone(one.member), false);
    close(one);
    close(other);
  });

  it("another layout: empty, and those who use the old one are undisturbed", async () => {
    const name = folder.file("layouts");
    await using old = await SegmentProcess.start();
    const first = await old.open({ name, layout: "test 1" });
    const newer = openSegment({ name, layout: "test 2" });
    assert.equal(newer.isNew, true);
    assert.notEqual(statSync(name).ino, first.inode);
    await old.ask({ do: "close" });
    assert.equal((await old.open({ name, layout: "test 2" })).isNew, false);
    close(newer);
  });

  it("another start of the machine: empty", () => {
    const name = folder.file("boots");
    const one = openSegment({ name });
    Atomics.store(one.words, FREE_WORD, 5);
    close(one);
    const header = Segment.look(name);
    assert.ok(typeof header === "object" && header !== null);
    const boot = "00000000-0000-4000-8000-000000000000";
    const bytes = readFileSync(name);
    encodeSegmentHeader({ ...header, description: { ...header.description, boot } }).forEach((byte, at) => {
      bytes[at] = byte;
    });
    writeFileSync(name, bytes);
    assert.equal(Segment.look(name), "outdated");
    const other = openSegment({ name });
    assert.equal(other.isNew, true);
    assert.equal(Atomics.load(other.words, FREE_WORD), 0);
    close(other);
  });

  it("opened twice in one thread: each closes its own, and the other goes on", () => {
    const options = { maxPages: 4096, shared: folder.file("twice") };
    const files = (): number => readdirSync("/proc/self/fd").length;
    const before = files();
    for (const open of [(pool: Pool) => attachPool(pool.share()), () => createPool("slots", options)]) {
      const one = createPool("slots", options);
      const other = open(one);
      const third = open(one);
      other.close();
      assert.equal(putMany(one, 4000, 500).length, 500, "it takes room still");
      assert.equal(third.pageCount, one.pageCount);
      one.close();
      assert.equal(putMany(third, 4000, 500).length, 500);
      third.close();
      assert.equal(files(), before);
    }
  });

  it("what share() gave, after JSON: EINVAL that says how other processes open it", () => {
    const name = folder.file("sent");
    const one = openSegment({ name });
    const copy = JSON.parse(JSON.stringify(one.segment.send()));
    assert.throws(() => Segment.adopt(copy), isCode("EINVAL", name, "other processes open it by its name"));
    for (const sent of [null, undefined, 1, {}, { ...copy, control: one.segment.send().control }]) {
      assert.throws(() => Segment.adopt(sent as never), isCode("EINVAL"));
    }
    close(one);
    assert.equal(existsSync(name), true);
  });
});
