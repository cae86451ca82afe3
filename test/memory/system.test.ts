/** What the library asks of the operating system: room in files, locks, and pages that go back. */

import assert from "node:assert/strict";
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { Segment } from "../../src/memory/index.ts";
import { type Libc, libc } from "../../src/memory/libc.ts";
import { sharedPages } from "../../src/memory/page-memory.ts";
import { bootId, System, systemOf } from "../../src/memory/system-calls.ts";
import { openSegment, SharedFolder } from "./segments.ts";

const INTERRUPTED = 4;
const NO_SPACE = 28;
const NOT_SUPPORTED = 95;
const MIB = 2 ** 20;

const folder = new SharedFolder();
after(() => folder[Symbol.dispose]());

function systemWith(calls: Partial<Libc>): System {
  return new System({ ...libc(), ...calls });
}

function openFile(name: string, bytes: number): number {
  const file = openSync(folder.file(name), "w+");
  ftruncateSync(file, bytes);
  return file;
}

/** Bytes that a file takes in its file system. */
function roomOf(file: number): number {
  return fstatSync(file).blocks * 512;
}

describe("room in a file", () => {
  it("is taken for whole pages, once", () => {
    const file = openFile("room", MIB);
    const { pageBytes } = systemOf();
    assert.equal(systemOf().canAllocate(file, 0, 1), true);
    assert.equal(roomOf(file), pageBytes);
    assert.equal(systemOf().allocate(file, 8 * pageBytes - 1, 2), true);
    assert.equal(roomOf(file), 3 * pageBytes);
    assert.equal(systemOf().allocate(file, 0, MIB), true);
    assert.equal(systemOf().allocate(file, 0, MIB), true);
    assert.equal(roomOf(file), MIB);
    assert.equal(fstatSync(file).size, MIB);
    closeSync(file);
    assert.equal(systemOf().allocate(-1, 0, MIB), false);
  });

  it("is taken in parts while signals interrupt, without a gap", () => {
    const taken: [number, number][] = [];
    const system = systemWith({
      // A signal each time that it takes long.
      allocate: (_file, offset, bytes) => {
        if (bytes > 300_000n) return INTERRUPTED;
        taken.push([Number(offset), Number(bytes)]);
        return 0;
      },
    });
    assert.equal(system.allocate(1, 4096, 8 * MIB + 1), true);
    let end = 4096;
    for (const [offset, bytes] of taken) {
      assert.equal(offset, end);
      end += bytes;
    }
    assert.equal(end, 4096 + 8 * MIB + 1);
  });

  it("is tried again while a signal comes each time, and refused for another reason", () => {
    let tries = 0;
    const system = systemWith({ allocate: () => (++tries < 100 ? INTERRUPTED : NO_SPACE) });
    assert.equal(system.allocate(1, 0, MIB), false);
    assert.equal(tries, 100);
  });

  it("what cannot set it aside is told from what is full", () => {
    const asks = (fallocate: () => number, allocate: () => number): boolean =>
      systemWith({ fallocate, allocate }).canAllocate(1, 0, 4096);
    const refuses = (): number => -1;
    assert.equal(
      asks(refuses, () => NO_SPACE),
      true,
      "it is full",
    );
    assert.equal(
      asks(refuses, () => 0),
      false,
      "the C library writes zeros instead",
    );
    assert.equal(
      asks(refuses, () => NOT_SUPPORTED),
      false,
      "a C library that does not",
    );
    let tries = 0;
    assert.equal(
      asks(() => (++tries < 3 ? -1 : 0), refuses),
      true,
      "signals came",
    );
    const { allocate, fallocate, ...apple } = libc();
    assert.equal(
      new System({ ...apple, allocate: undefined, fallocate: undefined }).canAllocate(1, 0, 1),
      true,
    );
  });
});

describe("locks of bytes", () => {
  it("are of an open file, and go with it", () => {
    const [one, other] = [openFile("locks", 1), openSync(folder.file("locks"), "r+")];
    const far = 2 ** 42;
    assert.equal(systemOf().tryLock(one, far), true);
    assert.equal(systemOf().tryLock(one, far), true, "it has it already");
    assert.equal(systemOf().tryLock(other, far), false);
    assert.equal(systemOf().tryLock(other, far + 1), true);
    assert.equal(systemOf().isLocked(other, far), true);
    assert.equal(systemOf().isLocked(one, far), false, "of others");
    systemOf().unlock(one, far);
    assert.equal(systemOf().isLocked(other, far), false);
    closeSync(other);
    assert.equal(systemOf().isLocked(one, far + 1), false);
    closeSync(one);
  });

  it("where the system does not tell, nobody counts as gone", () => {
    assert.equal(systemWith({ fcntl: () => -1 }).isLocked(1, 0), true);
    assert.equal(systemWith({ fcntl: () => -1 }).tryLock(1, 0), false);
  });
});

describe("pages that go back", () => {
  it("of a segment: the file gets smaller, whoever has it mapped reads zeros, and they can be taken again", () => {
    const name = folder.file("given-back");
    const pages = 64;
    const one = openSegment({ name, pages });
    const other = openSegment({ name, pages });
    assert.equal(one.memory.commit(pages), pages);
    const bytes = new Uint8Array(one.memory.buffer, 0, pages * 4096).fill(1);
    const seen = new Uint8Array(other.memory.buffer, 0, pages * 4096);
    const before = roomOf(one.segment.descriptor);
    assert.equal(one.memory.unitBytes(), systemOf().pageBytes);
    assert.equal(one.memory.giveBack(8 * 4096, 24 * 4096), true);
    assert.equal(roomOf(one.segment.descriptor), before - 16 * 4096);
    assert.equal(one.memory.takeBack(8 * 4096, 24 * 4096), true);
    assert.equal(roomOf(one.segment.descriptor), before);
    assert.ok(seen.subarray(8 * 4096, 24 * 4096).every((byte) => byte === 0));
    assert.ok(seen.subarray(0, 8 * 4096).every((byte) => byte === 1));
    assert.ok(bytes.subarray(24 * 4096).every((byte) => byte === 1));
    assert.equal(other.memory.commit(pages), pages, "what another process took");
    assert.equal(one.memory.commit(pages + 1), 0, "there is no more");
    one.segment.close();
    other.segment.close();
  });

  it("of memory of one process: it takes less", () => {
    const buffer = sharedPages(64 * MIB);
    const bytes = new Uint8Array(buffer, 0, 64 * MIB).fill(1);
    const resident = (): number =>
      Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]) * 1024;
    const before = resident();
    assert.equal(systemOf().discard(buffer, MIB, 63 * MIB), true);
    assert.ok(resident() < before - 50 * MIB, `${before} ${resident()}`);
    assert.equal(bytes[MIB - 1], 1);
    assert.equal(bytes[MIB], 0);
  });

  it("a range that cannot be one is refused", () => {
    const buffer = sharedPages(MIB);
    assert.equal(systemOf().discard(buffer, 1, 4096), false);
  });
});

describe("a start of the machine", () => {
  it("has a name that all processes know", () => {
    assert.match(bootId(), /^[0-9a-f-]{36}$/);
    const { segment } = openSegment({ name: folder.file("boot") });
    const header = Segment.look(segment.path);
    assert.ok(typeof header === "object" && header?.description.boot === bootId());
    segment.close();
  });
});
