/** The backing store over OPFS: in workers the one contract of all kinds, elsewhere a refusal with the way out. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type OpfsAccess,
  OpfsBacking,
  type OpfsBackingOptions,
  type OpfsDirectory,
} from "../../../src/backing/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { PageStore } from "../../../src/store/index.ts";
import { checkRecordOf, keyOf, recordOf } from "../../backing/records.ts";
import { backingContract } from "../../contracts/backing.ts";
import { makePage } from "../../store/pages.ts";
import { isCode } from "../../support/is-code.ts";

const OPTIONS: OpfsBackingOptions = { maxBytes: 2 ** 20, averageBytes: 512 };
const PAGE = 4096;

/** Of a browser's folder, what these tests use beside what the library does. */
interface Folder extends OpfsDirectory {
  removeEntry(name: string): Promise<void>;
}

function root(): Promise<Folder> {
  const { storage } = navigator as unknown as { storage: { getDirectory(): Promise<Folder> } };
  return storage.getDirectory();
}

let last = "";
let count = 0;

/** A name that nobody else has. What the test before left is removed. */
async function freshName(): Promise<string> {
  // Nothing to remove after a test that made no file.
  if (last !== "") await (await root()).removeEntry(last).catch(() => undefined);
  last = `${count++}.zbud`;
  return last;
}

/** A folder that shows the last access it gave, changed by `change`. */
function watched(change: (access: OpfsAccess) => OpfsAccess = (it) => it): {
  directory: OpfsDirectory;
  access: () => OpfsAccess;
} {
  let given: OpfsAccess | null = null;
  const directory: OpfsDirectory = {
    getFileHandle: async (name, options) => {
      const file = await (await root()).getFileHandle(name, options);
      return {
        createSyncAccessHandle: async () => {
          given = (await file.createSyncAccessHandle?.()) ?? assert.fail("this is a worker");
          return change(given);
        },
      };
    },
  };
  return { directory, access: () => given ?? assert.fail("nothing was opened") };
}

if ("FileSystemSyncAccessHandle" in globalThis) inWorker();
else elsewhere();

function elsewhere(): void {
  describe("OPFS outside of workers", () => {
    it("is ENOTSUP, says where it works, and makes no file", async () => {
      const name = "never.zbud";
      const refusal = isCode("ENOTSUP", "dedicated workers", "new Worker");
      await assert.rejects(OpfsBacking.open(name, OPTIONS), refusal);
      const directory: OpfsDirectory = { getFileHandle: () => Promise.resolve({}) };
      await assert.rejects(OpfsBacking.open(name, { ...OPTIONS, directory }), refusal);
      await assert.rejects((await root()).getFileHandle(name, { create: false }), { name: "NotFoundError" });
    });
  });
}

function inWorker(): void {
  backingContract({
    name: "opfs",
    open: async (options = {}) =>
      await OpfsBacking.open(await freshName(), { maxBytes: 2 ** 25, ...options }),
    openSmall: async (maxBytes) =>
      await OpfsBacking.open(await freshName(), { maxBytes: maxBytes, unitBytes: 64 }),
    isExact: true,
    findsUnderWay: true,
    maxLength: 300_000,
  });
  reopening();
  refusals();
  faults();
  pages();
}

async function fill(backing: OpfsBacking, version: number): Promise<void> {
  const records = Array.from({ length: 40 }, (_, number) => recordOf(number, version, 900 + number));
  for (const outcome of await backing.write(records)) assert.equal(outcome, "ok");
}

async function versionsOf(backing: OpfsBacking): Promise<Set<number | null>> {
  const versions = new Set<number | null>();
  for (let number = 0; number < 40; number++) {
    const record = await backing.read(keyOf(number));
    versions.add(record === null ? null : checkRecordOf(number, record));
  }
  return versions;
}

function reopening(): void {
  describe("a file of OPFS that is opened again", () => {
    it("has its records after a close", async () => {
      const name = await freshName();
      const first = await OpfsBacking.open(name, OPTIONS);
      assert.deepEqual(first.opened, { found: "new", records: 0 });
      await fill(first, 1);
      await first.close();
      for (let round = 2; round < 6; round++) {
        const next = await OpfsBacking.open(name, OPTIONS);
        assert.deepEqual(next.opened, { found: "clean", records: 40 });
        verify(next);
        assert.deepEqual(await versionsOf(next), new Set([round - 1]));
        await fill(next, round);
        await next.close();
      }
    });

    for (const unclean of ["empty", "flushed"] as const) {
      it(`without a close has what unclean: "${unclean}" says`, async () => {
        const name = await freshName();
        const { directory, access } = watched();
        const options = { ...OPTIONS, unclean };
        const lost = await OpfsBacking.open(name, { ...options, directory });
        await fill(lost, 1);
        await lost.flush();
        await fill(lost, 2);
        // As when the worker ends.
        await access().close();
        const next = await OpfsBacking.open(name, options);
        assert.equal(next.opened?.found, unclean);
        assert.deepEqual(await versionsOf(next), new Set([unclean === "flushed" ? 1 : null]));
        await next.close();
      });
    }
  });
}

function refusals(): void {
  describe("a file of OPFS that cannot be had", () => {
    it("EBUSY while another store has it for long; waits for one that is about to close", async () => {
      const name = await freshName();
      const first = await OpfsBacking.open(name, OPTIONS);
      const refusal = isCode("EBUSY", "another tab or worker");
      await assert.rejects(OpfsBacking.open(name, OPTIONS), refusal);
      await fill(first, 1);
      const opening = OpfsBacking.open(name, OPTIONS);
      await first.close();
      const second = await opening;
      assert.deepEqual(await versionsOf(second), new Set([1]));
      await second.close();
    });

    it("EINVAL for what is no name, and for other sizes", async () => {
      for (const name of ["", "a/b", "..", "a\\b", undefined]) {
        await assert.rejects(OpfsBacking.open(name as string, OPTIONS), isCode("EINVAL", "name"));
      }
      const name = await freshName();
      await (await OpfsBacking.open(name, OPTIONS)).close();
      const other = { ...OPTIONS, maxBytes: 2 ** 19 };
      await assert.rejects(OpfsBacking.open(name, other), isCode("EINVAL", name, "other sizes"));
      await (await OpfsBacking.open(name, OPTIONS)).close();
    });

    it("EBADMSG for a file that is something else, which stays as it is", async () => {
      // All of it, or its last byte, as an image of a disk has it.
      for (const from of [0, 9_999]) {
        const name = await freshName();
        const file = await (await root()).getFileHandle(name, { create: true });
        const access = (await file.createSyncAccessHandle?.()) ?? assert.fail("this is a worker");
        access.write(new Uint8Array(10_000).fill(7, from), { at: 0 });
        await access.close();
        await assert.rejects(
          OpfsBacking.open(name, OPTIONS),
          isCode("EBADMSG", "not a file of this library"),
        );
        const again = (await file.createSyncAccessHandle?.()) ?? assert.fail("it was closed");
        assert.equal(await again.getSize(), 10_000);
        await again.close();
      }
    });

    it("ENOSPC if the browser does not grant its length", async () => {
      const name = await freshName();
      const { directory } = watched((access) => ({ ...bound(access), truncate: outOfSpace }));
      await assert.rejects(OpfsBacking.open(name, { ...OPTIONS, directory }), isCode("ENOSPC", name));
      await (await OpfsBacking.open(name, OPTIONS)).close();
    });
  });
}

function outOfSpace(): never {
  throw new DOMException("there is no more", "QuotaExceededError");
}

/** The same, as an object of which parts can be replaced. */
function bound(access: OpfsAccess): OpfsAccess {
  return {
    read: (into, options) => access.read(into, options),
    write: (bytes, options) => access.write(bytes, options),
    truncate: (size) => access.truncate(size),
    flush: () => access.flush(),
    getSize: () => access.getSize(),
    close: () => access.close(),
  };
}

function faults(): void {
  describe("faults of OPFS", () => {
    it("are outcomes of the writes they hit, and the store recovers", async () => {
      let fails = false;
      const { directory } = watched((access) => ({
        ...bound(access),
        write: (bytes, options) => (fails ? outOfSpace() : access.write(bytes, options)),
      }));
      const backing = await OpfsBacking.open(await freshName(), { ...OPTIONS, directory });
      await fill(backing, 1);
      fails = true;
      const [outcome] = await backing.write([recordOf(3, 2, 500)]);
      assert.ok(typeof outcome === "object" && outcome.code === "ENOSPC", String(outcome));
      const atOnce = backing.writeSync(recordOf(4, 2, 500));
      assert.ok(typeof atOnce === "object" && atOnce.code === "ENOSPC", String(atOnce));
      await assert.rejects(backing.flush(), { code: "ENOSPC" });
      assert.equal(await backing.read(keyOf(3)), null);
      assert.equal((await backing.read(keyOf(5)))?.stamp, 1);
      fails = false;
      await fill(backing, 3);
      assert.deepEqual(await versionsOf(backing), new Set([3]));
      await backing.close();
    });

    it("a browser that writes and reads a part at a time gives whole records", async () => {
      const { directory } = watched((access) => ({
        ...bound(access),
        write: (bytes, options) => access.write(bytes.subarray(0, 777), options),
        read: (into, options) => access.read(into.subarray(0, 555), options),
      }));
      const backing = await OpfsBacking.open(await freshName(), { ...OPTIONS, directory });
      await fill(backing, 1);
      assert.deepEqual(await versionsOf(backing), new Set([1]));
      await backing.close();
    });
  });
}

function pages(): void {
  describe("a page store over OPFS", () => {
    it("writes cold pages back, loads them, and has them after a close", async () => {
      const name = await freshName();
      const options = { maxBytes: 2 ** 24 };
      const wanted = (index: number): Uint8Array => makePage(index, 1, PAGE);
      const backing = await OpfsBacking.open(name, options);
      const store = new PageStore({ pageSize: PAGE, maxBytes: "1MiB", backing });
      for (let i = 0; i < 1000; i++) assert.equal(await store.storeAsync(i, wanted(i)), "stored");
      const into = new Uint8Array(PAGE);
      for (let i = 0; i < 1000; i++) {
        assert.equal(await store.loadAsync(i, into), "loaded", `page ${i}`);
        assert.equal(Buffer.compare(into, wanted(i)), 0);
      }
      const { writtenBackPages } = store.stats();
      assert.ok(writtenBackPages > 200, `${writtenBackPages} pages were written back`);
      verify(store);
      await store.close();
      await backing.close();

      const again = await OpfsBacking.open(name, options);
      const other = new PageStore({ pageSize: PAGE, maxBytes: "1MiB", backing: again });
      for (let i = 0; i < 1000; i++) {
        const result = i % 2 === 0 ? await other.loadAsync(i, into) : other.loadSync(i, into);
        assert.equal(result, "loaded", `page ${i}`);
        assert.equal(Buffer.compare(into, wanted(i)), 0);
      }
      await other.close();
      await again.close();
    });
  });
}
