import assert from "node:assert/strict";
import { existsSync, linkSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import { afterEach, describe, it } from "node:test";
import { FileBacking, type FileBackingOptions } from "../../src/backing/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { freshMemory } from "../support/fresh-memory.ts";
import { freshPath } from "../support/fresh-path.ts";
import { checkRecordOf, keyOf, recordOf } from "./records.ts";
import { SharedProcess } from "./shared-process.ts";

const RECORDS = 30;

let running: SharedProcess[] = [];
afterEach(async () => {
  for (const each of running) {
    each.goOn();
    await each.kill();
  }
  running = [];
});

/** Where a file and the memory of those who share it lie, and the options of all of them. */
function fresh(more: Partial<FileBackingOptions> = {}): { path: string; options: FileBackingOptions } {
  return { path: freshPath(), options: { maxBytes: 2 ** 20, shared: freshMemory(), ...more } };
}

async function start(path: string, options: FileBackingOptions): Promise<SharedProcess> {
  const started = SharedProcess.start();
  running.push(started);
  await started.open(path, options);
  return started;
}

/** A process that has nothing open. */
function idle(): SharedProcess {
  const started = SharedProcess.start();
  running.push(started);
  return started;
}

function alone({ maxBytes }: FileBackingOptions): FileBackingOptions {
  return { maxBytes };
}

function notesOf(path: string): string[] {
  return readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.owner-`));
}

async function versionsIn(backing: FileBacking): Promise<(number | null)[]> {
  const versions: (number | null)[] = [];
  for (let number = 0; number < RECORDS; number++) {
    const record = await backing.read(keyOf(number));
    versions.push(record === null ? null : checkRecordOf(number, record));
  }
  return versions;
}

describe("a file that processes share", () => {
  it("has one order for all of them", async () => {
    const { path, options } = fresh();
    const [one, other] = [await start(path, options), await start(path, options)];
    const here = await FileBacking.open(path, options);
    assert.deepEqual(here.opened, { found: "shared", records: 0 });
    for (let number = 0; number < RECORDS; number++) assert.equal(await one.write(number, 1), "ok");
    for (let number = 0; number < RECORDS; number++) assert.equal(await other.read(number), 1);
    assert.equal(await other.write(3, 2), "ok");
    await one.delete(4);
    assert.equal(await other.read(4), null);
    assert.equal(here.has(keyOf(4)), false);
    assert.equal(checkRecordOf(3, here.readSync(keyOf(3)) ?? assert.fail("it is there")), 2);
    const { records, writes, deletions } = here.stats();
    assert.deepEqual(
      { records, writes, deletions },
      { records: RECORDS - 1, writes: RECORDS + 1, deletions: 1 },
    );
    assert.deepEqual(await one.stats(), { ...here.stats() });
    await other.clear();
    assert.equal(await one.read(7), null);
    verify(here);
    await one.close();
    await here.close();
    await other.close();
    assert.deepEqual(notesOf(path), []);
  });

  it("is one store to a cache: the same id in all, and after a restart", async () => {
    const { path, options } = fresh();
    const one = idle();
    const { id } = await one.open(path, options);
    const other = idle();
    assert.equal((await other.open(path, options)).id, id);
    await one.kill();
    await other.kill();
    const third = idle();
    assert.equal((await third.open(path, options)).id, id);
    await third.close();
    const fourth = idle();
    assert.equal((await fourth.open(path, options)).id, id);
  });

  it("is closed well by the last one that leaves, and its memory goes with that", async () => {
    const { path, options } = fresh();
    const [one, other] = [await start(path, options), await start(path, options)];
    for (let number = 0; number < RECORDS; number++) await one.write(number, 1);
    await one.close();
    await other.write(5, 2);
    assert.ok(existsSync(String(options.shared)));
    await other.close();
    assert.ok(!existsSync(String(options.shared)));
    const backing = await FileBacking.open(path, alone(options));
    assert.deepEqual(backing.opened, { found: "clean", records: RECORDS });
    const versions = await versionsIn(backing);
    assert.equal(versions[5], 2);
    assert.equal(versions[6], 1);
    await backing.close();
    const again = await start(path, options);
    assert.equal(await again.read(5), 2);
  });

  it("keeps all that was written when all are killed, though nothing was flushed", async () => {
    const { path, options } = fresh();
    const [one, other] = [await start(path, options), await start(path, options)];
    for (let number = 0; number < RECORDS; number++) await (number % 2 ? one : other).write(number, 1);
    await one.delete(8);
    await one.kill();
    await other.kill();
    const next = await FileBacking.open(path, options);
    assert.deepEqual(next.opened, { found: "shared", records: RECORDS - 1 });
    const versions = await versionsIn(next);
    assert.deepEqual(
      versions.flatMap((version, number) => (version === 1 ? [] : [number])),
      [8],
    );
    verify(next);
    assert.deepEqual(await next.write([recordOf(8, 2, 100)]), ["ok"]);
    await next.close();
  });

  it("is what the file says when its memory is gone, as after a restart of the machine", async () => {
    for (const unclean of ["empty", "flushed"] as const) {
      const { path, options } = fresh({ unclean });
      const one = await start(path, options);
      const other = idle();
      const { id } = await other.open(path, options);
      for (let number = 0; number < RECORDS; number++) await one.write(number, 1);
      // What one wrote is in the other's flush.
      await other.flush();
      await one.write(5, 2);
      await one.kill();
      await other.kill();
      rmSync(String(options.shared));
      const next = await FileBacking.open(path, options);
      assert.deepEqual(next.opened, { found: unclean, records: unclean === "empty" ? 0 : RECORDS });
      const found = await versionsIn(next);
      assert.ok(found.every((version) => version === (unclean === "empty" ? null : 1)));
      // What it has is not what was left in it: whoever remembers the other store must not take it for that.
      assert.notEqual(next.id, id);
      verify(next);
      await next.close();
    }
  });

  it("is taken up from the file if somebody else had that meanwhile", async () => {
    const { path, options } = fresh({ unclean: "flushed" });
    const one = await start(path, options);
    for (let number = 0; number < RECORDS; number++) await one.write(number, 1);
    await one.flush();
    await one.write(3, 2);
    await one.kill();
    const between = await FileBacking.open(path, { ...alone(options), unclean: "flushed" });
    assert.equal(between.opened?.found, "flushed");
    await between.write([recordOf(4, 3, 700)]);
    between.delete(keyOf(5));
    await between.close();
    const next = await FileBacking.open(path, options);
    assert.equal(next.opened?.found, "clean");
    const versions = await versionsIn(next);
    assert.deepEqual(versions.slice(3, 6), [1, 3, null]);
    verify(next);
    await next.close();
  });

  it("frees what a process was writing that was killed", async () => {
    const { path, options } = fresh();
    const [one, other] = [await start(path, options), await start(path, options)];
    await one.write(1, 1);
    const { bytesUsed } = await other.stats();
    const hangs = one.hangs();
    await one.hang("write");
    const writing = one.write(2, 1, 5000);
    await hangs;
    assert.ok((await other.stats()).bytesUsed > bytesUsed);
    assert.equal(await other.recover(), 0, "it lives");
    await one.kill();
    await assert.rejects(writing, { code: "EXIT" });
    assert.equal(await other.recover(), 1);
    assert.equal((await other.stats()).bytesUsed, bytesUsed);
    assert.equal(await other.read(2), null);
    await other.verify();
  });

  it("is flushed by any of them, and goes on when the one that flushes is killed", async () => {
    const { path, options } = fresh({ unclean: "flushed" });
    for (const call of ["write", "sync"] as const) {
      const [one, other] = [await start(path, options), await start(path, options)];
      await other.write(1, 1);
      const hangs = one.hangs();
      await one.hang(call);
      void one.flush().catch(() => undefined);
      await hangs;
      const flushing = other.flush();
      await one.kill();
      await flushing;
      await other.close();
      const backing = await FileBacking.open(path, { ...alone(options), unclean: "flushed" });
      assert.deepEqual(backing.opened, { found: "clean", records: 1 });
      await backing.close();
    }
  });

  it("has one budget of bytes a second", async () => {
    const { path, options } = fresh({ maxWriteBytesPerSecond: 1000 });
    const [one, other] = [await start(path, options), await start(path, options)];
    // A record that is larger needs the whole budget, and leaves a debt of minutes.
    assert.equal(await one.write(1, 1, 100_000), "ok");
    assert.equal(await other.write(2, 1, 100), "EAGAIN");
  });
});

describe("who may have a file that processes share", () => {
  it("EBUSY: a process that does not share it, and says how to", async () => {
    const { path, options } = fresh();
    const one = await start(path, options);
    await assert.rejects(FileBacking.open(path, alone(options)), (error: Error & { code: string }) => {
      assert.equal(error.code, "EBUSY");
      assert.ok(error.message.includes(`by process ${one.pid}, which shares it by`), error.message);
      assert.ok(error.message.includes(String(options.shared)), error.message);
      return true;
    });
    await one.kill();
    // Its note says nothing any more.
    await (await FileBacking.open(path, alone(options))).close();
    assert.deepEqual(notesOf(path), []);
  });

  it("EBUSY: to share one that a process has for itself", async () => {
    const { path, options } = fresh();
    const one = await start(path, alone(options));
    await assert.rejects(FileBacking.open(path, options), {
      code: "EBUSY",
      message: new RegExp(`by process ${one.pid}, which does not share it; give shared in all processes`),
    });
    assert.ok(!existsSync(String(options.shared)), "no memory is left");
    await one.close();
    await (await FileBacking.open(path, options)).close();
  });

  it("EBUSY: two names for one file", async () => {
    const { path, options } = fresh();
    const one = await start(path, options);
    const wrong = { ...options, shared: freshMemory() };
    await assert.rejects(FileBacking.open(path, wrong), {
      code: "EBUSY",
      message: /which shares it by ".*"; give that as shared here too/,
    });
    assert.ok(!existsSync(wrong.shared));
    assert.equal(await one.write(1, 1), "ok");
  });

  it("EINVAL: one name for two files; another link to the one is no other file", async () => {
    const { path, options } = fresh();
    const one = await start(path, options);
    await assert.rejects(FileBacking.open(freshPath(), options), {
      code: "EINVAL",
      message: /file is ".*" there and ".*" here/,
    });
    symlinkSync(path, `${path}.link`);
    const linked = await start(`${path}.link`, options);
    await one.write(1, 1);
    assert.equal(await linked.read(1), 1);
    linkSync(path, `${path}.hard`);
    await assert.rejects(FileBacking.open(`${path}.hard`, options), { code: "EINVAL", message: /file is/ });
    await assert.rejects(FileBacking.open(`${path}.hard`, alone(options)), { code: "EBUSY" });
  });

  it("EINVAL: other options, all that differ by name; those of a thread may", async () => {
    const { path, options } = fresh();
    const one = await start(path, options);
    const wrong: FileBackingOptions = { ...options, whenFull: "drop", maxWriteBytesPerSecond: 1000 };
    await assert.rejects(FileBacking.open(path, wrong), {
      code: "EINVAL",
      message:
        /whenFull is "reject" there and "drop" here; maxWriteBytesPerSecond is null there and 1000 here/,
    });
    await assert.rejects(FileBacking.open(path, { ...wrong, whenDifferent: "replace" }), {
      code: "EBUSY",
      message: /which shares it by a .* that was removed, or would have to be replaced/,
    });
    const own = await FileBacking.open(path, { ...options, timeoutMs: 1000, maxInFlightBytes: 8192 });
    await own.close();
    assert.equal(await one.write(1, 1), "ok");
    const other = await start(path, options);
    assert.equal(await other.read(1), 1, "the index is the one that was there");
    await one.kill();
    await other.kill();
    await assert.rejects(FileBacking.open(path, wrong), { code: "EINVAL" });
    const replaced = await FileBacking.open(path, { ...wrong, whenDifferent: "replace" });
    assert.equal(replaced.opened?.found, "empty");
    await replaced.close();
  });

  it("EINVAL: other sizes than the file has, and no memory is left", async () => {
    const { path, options } = fresh();
    await (await FileBacking.open(path, options)).close();
    const wrong = { ...options, maxBytes: 2 ** 21 };
    await assert.rejects(FileBacking.open(path, wrong), { code: "EINVAL", message: /other sizes/ });
    assert.ok(!existsSync(String(options.shared)));
    await (await FileBacking.open(path, options)).close();
  });

  it("EINVAL: names that are none, and memory of something else", async () => {
    const { path, options } = fresh();
    for (const shared of [true, "", "a b", 5, null] as never[]) {
      await assert.rejects(FileBacking.open(path, { ...options, shared }), {
        code: "EINVAL",
        message: /shared must be a name of at most 100 letters/,
      });
    }
    const whenDifferent = "ask" as never;
    await assert.rejects(FileBacking.open(path, { ...options, whenDifferent }), { code: "EINVAL" });
  });

  it("EBUSY: its memory was removed while a process has it; the file is not had twice", async () => {
    const { path, options } = fresh();
    const one = await start(path, options);
    await one.write(1, 1);
    rmSync(String(options.shared));
    await assert.rejects(FileBacking.open(path, options), {
      code: "EBUSY",
      message: /which shares it by a .* that was removed, or .*; close the file there first/,
    });
    assert.equal(await one.read(1), 1);
    await one.close();
    const next = await FileBacking.open(path, options);
    assert.deepEqual(next.opened, { found: "clean", records: 1 });
    await next.close();
  });

  it("EBUSY: the file was removed while a process has it; it begins anew when that is gone", async () => {
    const { path, options } = fresh();
    const one = await start(path, options);
    await one.write(1, 1);
    rmSync(path);
    await assert.rejects(FileBacking.open(path, options), {
      code: "EBUSY",
      message: /have a file open that .* was before it was removed or replaced/,
    });
    await one.kill();
    const next = await FileBacking.open(path, options);
    assert.deepEqual(next.opened, { found: "new", records: 0 });
    assert.equal(next.readSync(keyOf(1)), null);
    await next.close();
  });
});
