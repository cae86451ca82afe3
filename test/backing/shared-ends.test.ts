import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { afterEach, describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { systemIo } from "../../src/backing/file/io.ts";
import { FileBacking, type FileBackingOptions, type FileIo } from "../../src/backing/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { freshMemory } from "../support/fresh-memory.ts";
import { freshPath } from "../support/fresh-path.ts";
import { systemError } from "./faults.ts";
import type { WorkerPlan } from "./file-worker.ts";
import { keyOf, recordOf } from "./records.ts";
import { SharedProcess } from "./shared-process.ts";

let running: SharedProcess[] = [];
afterEach(async () => {
  for (const each of running) {
    each.goOn();
    await each.kill();
  }
  running = [];
});

function fresh(more: Partial<FileBackingOptions> = {}): { path: string; options: FileBackingOptions } {
  return { path: freshPath(), options: { maxBytes: 2 ** 22, shared: freshMemory(), ...more } };
}

function idle(): SharedProcess {
  const started = SharedProcess.start();
  running.push(started);
  return started;
}

async function start(path: string, options: FileBackingOptions): Promise<SharedProcess> {
  const started = idle();
  await started.open(path, options);
  return started;
}

function notesOf(path: string): string[] {
  return readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.owner-`));
}

function startWorker(backing: FileBacking, task: WorkerPlan["task"]): Worker {
  const plan: WorkerPlan = { shared: backing.share(), seed: 1, first: 0, keys: 20, rounds: 100_000, task };
  return new Worker(new URL("./file-worker.ts", import.meta.url), { workerData: plan });
}

describe("threads of a process that shares a file with others", () => {
  it("each closes for itself, and the last one closes the file", async () => {
    const { path, options } = fresh();
    const backing = await FileBacking.open(path, options);
    const worker = startWorker(backing, "write");
    const exit = once(worker, "exit");
    await once(worker, "message");
    await backing.close();
    assert.deepEqual(await exit, [0]);
    assert.ok(!existsSync(String(options.shared)));
    assert.deepEqual(notesOf(path), []);
    const next = await FileBacking.open(path, { maxBytes: options.maxBytes });
    assert.deepEqual(next.opened, { found: "clean", records: 20 });
    await next.close();
  });

  it("one that is terminated has the file no longer", async () => {
    const { path, options } = fresh();
    const backing = await FileBacking.open(path, options);
    const other = await start(path, options);
    const worker = startWorker(backing, "churn");
    await once(worker, "message");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await worker.terminate();
    assert.equal(await other.recover(), 1, "another process sees it");
    verify(backing);
    assert.deepEqual(await backing.write([recordOf(7, 1, 3000)]), ["ok"]);
    await other.close();
    await backing.close();
    // Its note is still there, and says that it is of a thread that is gone, where the system tells of threads.
    if (process.platform === "linux") {
      const next = await FileBacking.open(path, { maxBytes: options.maxBytes });
      assert.equal(next.opened?.found, "clean");
      await next.close();
      assert.deepEqual(notesOf(path), []);
    }
  });

  it("attaches while others have the file, and not afterwards", async () => {
    const { path, options } = fresh();
    const backing = await FileBacking.open(path, options);
    const shared = backing.share();
    const second = FileBacking.attach(shared);
    assert.equal(second.opened, null);
    assert.equal(second.id, backing.id);
    await backing.close();
    const third = FileBacking.attach(shared);
    assert.deepEqual(await third.write([recordOf(1, 1, 100)]), ["ok"]);
    assert.equal(second.readSync(keyOf(1))?.stamp, 1);
    await second.close();
    await third.close();
    // Its memory is gone.
    assert.throws(() => FileBacking.attach(shared), { code: "ENOENT" });
    const next = await FileBacking.open(path, options);
    assert.throws(() => FileBacking.attach(shared), { code: "ENOENT" }, "and this is another one");
    await next.close();
  });

  it("ECLOSED: attaches when all that had it were killed or are closed", async () => {
    const { path, options } = fresh();
    const one = await start(path, options);
    const backing = await FileBacking.open(path, options);
    const shared = backing.share();
    await backing.close();
    await one.kill();
    assert.throws(() => FileBacking.attach(shared), { code: "ECLOSED" });
  });
});

describe("processes that come and go", () => {
  it("a process that is stopped is not dead", async () => {
    const { path, options } = fresh();
    const [one, other] = [await start(path, options), await start(path, options)];
    await one.write(1, 1);
    one.stop();
    assert.equal(await other.recover(), 0);
    assert.equal(await other.write(1, 2), "ok");
    await other.flush();
    await other.close();
    await assert.rejects(FileBacking.open(path, { maxBytes: options.maxBytes }), { code: "EBUSY" });
    const third = await start(path, options);
    assert.equal(await third.read(1), 2);
    one.goOn();
    assert.equal(await one.read(1), 2);
    assert.equal(await one.write(2, 1), "ok");
    assert.equal(await third.read(2), 1);
  });

  for (const call of ["write", "sync"] as const) {
    it(`one waits for another that opens the file, and takes over when that is killed at a ${call}`, async () => {
      const { path, options } = fresh({ timeoutMs: 20 });
      const opener = idle();
      const hangs = opener.hangs();
      await opener.hang(call);
      void opener.open(path, { ...options, timeoutMs: 60_000 }).catch(() => undefined);
      await hangs;
      await assert.rejects(FileBacking.open(path, options), {
        code: "EBUSY",
        message: /another process has been opening or closing .* for 200 ms; look whether it was stopped/,
      });
      const waiting = FileBacking.open(path, { ...options, timeoutMs: 60_000 });
      await opener.kill();
      const backing = await waiting;
      assert.equal(backing.opened?.records, 0);
      assert.deepEqual(await backing.write([recordOf(1, 1, 100)]), ["ok"]);
      verify(backing);
      await backing.close();
    });

    it(`one waits for the last one that closes, and takes over when that is killed at a ${call}`, async () => {
      const { path, options } = fresh();
      const closer = await start(path, options);
      await closer.write(1, 1);
      await closer.write(2, 1);
      const hangs = closer.hangs();
      await closer.hang(call);
      void closer.close().catch(() => undefined);
      await hangs;
      const waiting = FileBacking.open(path, options);
      await closer.kill();
      const backing = await waiting;
      assert.deepEqual(backing.opened, { found: "shared", records: 2 });
      backing.delete(keyOf(1));
      verify(backing);
      await backing.close();
      const next = await FileBacking.open(path, { maxBytes: options.maxBytes });
      assert.deepEqual(next.opened, { found: "clean", records: 1 });
      await next.close();
    });
  }

  it("one that comes while the last one closes opens the file anew", async () => {
    const { path, options } = fresh();
    let version = 0;
    let backing = await FileBacking.open(path, options);
    for (let round = 0; round < 30; round++) {
      assert.deepEqual(await backing.write([recordOf(1, ++version, 100)]), ["ok"]);
      const closing = backing.close();
      // At some other moment of the close each time.
      for (let turn = 0; turn < round % 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      backing = await FileBacking.open(path, options);
      await closing;
      assert.equal((await backing.read(keyOf(1)))?.stamp, version);
    }
    await backing.close();
  });

  it("a close that cannot write the index leaves it in memory, for the next one", async () => {
    const { path, options } = fresh();
    const system = systemIo();
    let fails = false;
    const sync: FileIo["sync"] = async (file) => {
      if (fails) throw systemError("EIO");
      await system.sync(file);
    };
    const one = await FileBacking.open(path, options, { io: { ...system, sync } });
    await one.write([recordOf(1, 1, 100)]);
    fails = true;
    await assert.rejects(one.close(), { code: "EIO" });
    assert.deepEqual(notesOf(path), []);
    const next = await FileBacking.open(path, options);
    assert.deepEqual(next.opened, { found: "shared", records: 1 });
    verify(next);
    await next.close();
    assert.ok(!existsSync(String(options.shared)));
  });

  it("EEXIST: a file that is no memory has the name, and stays as it is", async () => {
    const { path, options } = fresh();
    writeFileSync(String(options.shared), "something else");
    await assert.rejects(FileBacking.open(path, options), { code: "EEXIST" });
  });
});
