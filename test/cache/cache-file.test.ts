import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { temporaryFolder } from "../../scripts/tools.ts";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";

const CHILD = fileURLToPath(new URL("./save-child.ts", import.meta.url));
const QUIET = "--disable-warning=ExperimentalWarning";
/** Who writes a file is seen there only. */
const onLinux = process.platform === "linux" ? false : "it reads /proc";
const asWindows = process.platform === "win32" ? "modes and links of POSIX" : false;

const all = temporaryFolder("save");
const newFolder = (): string => mkdtempSync(join(all, "folder-"));

const leftovers = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith(".tmp"));

/** A cache whose file takes several writes, all of the entries of one length and text. */
function filled(mark: string, count = 40): CompressedCache<unknown> {
  const cache = new CompressedCache<unknown>({ maxBytes: "4MiB", dictionary: "none" });
  const prng = new Prng(1);
  cache.set("mark", mark);
  for (let i = 0; i < count; i++) {
    cache.set(
      `noise ${i}`,
      Uint8Array.from({ length: 20_000 }, () => prng.below(256)),
    );
  }
  return cache;
}

/** The mark of a file that is whole. */
async function markOf(path: string): Promise<unknown> {
  const cache = new CompressedCache<unknown>({ maxBytes: "4MiB" });
  assert.equal(await cache.load(path), 41);
  const mark = cache.get("mark");
  cache.close();
  return mark;
}

describe("saves to one path", () => {
  it("that overlap: all succeed, and the file is one of them, whole", async () => {
    const path = join(newFolder(), "file");
    const caches = Array.from({ length: 6 }, (_, i) => filled(`cache ${i}`));
    for (let round = 0; round < 3; round++) {
      const saves = caches.flatMap((cache) => [cache.save(path), cache.save(path)]);
      assert.deepEqual(
        await Promise.all(saves),
        saves.map(() => 41),
      );
      assert.match(String(await markOf(path)), /^cache \d$/);
      assert.deepEqual(leftovers(join(path, "..")), []);
    }
    assert.equal(await caches[3].save(path), 41);
    assert.equal(await markOf(path), "cache 3", "the last one wins");
  });

  it("one that is aborted on its way takes nothing from the other, and leaves no file", async () => {
    const path = join(newFolder(), "file");
    const [one, two] = [filled("one"), filled("two")];
    await one.save(path);
    const abort = new AbortController();
    const aborted = two.save(path, { signal: abort.signal });
    const other = one.save(path);
    const reason = new Error("enough");
    setImmediate(() => abort.abort(reason));
    await assert.rejects(aborted, reason);
    assert.equal(await other, 41);
    assert.equal(await markOf(path), "one");
    assert.deepEqual(leftovers(join(path, "..")), []);
  });

  it("one whose cache is closed meanwhile rejects with ECLOSED; the old file stays", async () => {
    const path = join(newFolder(), "file");
    await filled("old").save(path);
    const cache = filled("new");
    const saving = cache.save(path);
    cache.close();
    await assert.rejects(saving, { code: "ECLOSED", message: /: this cache was closed meanwhile; / });
    assert.equal(await markOf(path), "old");
    assert.deepEqual(leftovers(join(path, "..")), []);
  });

  it("from two processes at once", async () => {
    const path = join(newFolder(), "file");
    const children = ["a", "b"].map((mark) => start(path, mark, "12"));
    const codes = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0] as number));
    assert.deepEqual(codes, [0, 0]);
    assert.match(String(await markOf(path)), /^[ab]$/);
    assert.deepEqual(leftovers(join(path, "..")), []);
  });
});

/** Saves so many times; "stop": stops for ever when a part of the file is written. */
function start(path: string, mark: string, times: string): ChildProcess {
  return spawn(process.execPath, [QUIET, CHILD], {
    env: { ...process.env, PATH_TO_SAVE: path, MARK: mark, TIMES: times },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

describe("what the dead left", { skip: onLinux }, () => {
  it("is kept while its process lives, and removed when that was killed", async () => {
    const folder = newFolder();
    const path = join(folder, "file");
    const child = start(path, "child", "stop");
    await once(child.stdout as NodeJS.ReadableStream, "data");
    const [temporary] = leftovers(folder);
    assert.ok(temporary !== undefined, "it is writing");
    const cache = filled("parent");
    // Its age says nothing: the process may be stopped, or its disk slow.
    utimesSync(join(folder, temporary), 1, 1);
    await cache.save(path);
    assert.deepEqual(leftovers(folder), [temporary]);
    child.kill("SIGKILL");
    await once(child, "exit");
    await cache.save(path);
    assert.deepEqual(leftovers(folder), []);
    assert.equal(await markOf(path), "parent");
  });

  it("is kept while its thread lives, and removed when that was terminated", async () => {
    const folder = newFolder();
    const path = join(folder, "file");
    const env = { PATH_TO_SAVE: path, MARK: "worker", TIMES: "stop" };
    const worker = new Worker(CHILD, { env, stdout: true });
    await once(worker.stdout, "data");
    const cache = filled("parent");
    await cache.save(path);
    assert.equal(leftovers(folder).length, 1);
    await worker.terminate();
    await cache.save(path);
    assert.deepEqual(leftovers(folder), []);
  });

  it("of a process whose number another has by now is removed; what only looks like it stays", async () => {
    const folder = newFolder();
    const path = join(folder, "file");
    const child = start(path, "child", "stop");
    await once(child.stdout as NodeJS.ReadableStream, "data");
    const [own] = leftovers(folder);
    const [, pid, thread, started, place, number] = own.split(/[.-]/);
    const name = (...parts: (string | number)[]): string => `file.${parts.join("-")}.tmp`;
    // The process is there; one of its number that started at another time is not.
    const reused = name(pid, thread, Number(started) - 1, place, number);
    const noThread = name(pid, 1, started, place, number);
    const elsewhere = name(pid, thread, started, "elsewhere", number);
    const foreign = ["file.1-2.tmp", "file.tmp", "file.backup", `other.${own.slice(5)}`];
    for (const one of [reused, noThread, elsewhere, ...foreign]) writeFileSync(join(folder, one), "x");
    const cache = filled("parent");
    await cache.save(path);
    assert.deepEqual(readdirSync(folder).sort(), ["file", own, elsewhere, ...foreign].sort());
    // Nobody sees whether a process of another container lives; after an hour without a write it does not.
    const before = Date.now() / 1000 - 3700;
    utimesSync(join(folder, elsewhere), before, before);
    await cache.save(path);
    assert.deepEqual(readdirSync(folder).sort(), ["file", own, ...foreign].sort());
    child.kill("SIGKILL");
    await once(child, "exit");
  });
});

describe("the file that is replaced", () => {
  it("keeps its mode; a new one is its owner's", { skip: asWindows }, async () => {
    const path = join(newFolder(), "file");
    const cache = filled("x");
    await cache.save(path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    for (const mode of [0o644, 0o666, 0o400]) {
      chmodSync(path, mode);
      await cache.save(path);
      assert.equal(statSync(path).mode & 0o777, mode);
    }
  });

  it("is the one that a link points to, also if it is not there yet", { skip: asWindows }, async () => {
    const folder = newFolder();
    const there = mkdtempSync(join(folder, "there-"));
    const [path, middle, target] = [join(folder, "link"), join(folder, "middle"), join(there, "file")];
    symlinkSync(middle, path);
    symlinkSync(target, middle);
    for (const mark of ["first", "second"]) {
      await filled(mark).save(path);
      assert.ok(lstatSync(path).isSymbolicLink() && lstatSync(middle).isSymbolicLink());
      assert.ok(lstatSync(target).isFile());
      assert.equal(await markOf(path), mark);
      assert.deepEqual([...leftovers(folder), ...leftovers(there)], []);
    }
    // Another name of the same file keeps the old content, as with every file that is replaced.
    linkSync(target, join(folder, "hard"));
    await filled("third").save(path);
    assert.equal(await markOf(join(folder, "hard")), "second");
    const loop = join(folder, "loop");
    symlinkSync(loop, loop);
    await assert.rejects(filled("x").save(loop), { name: "ZbudError" });
    assert.ok(lstatSync(loop).isSymbolicLink());
  });

  it("is a file, and nothing else of its name is replaced", async () => {
    const folder = newFolder();
    const cache = filled("x");
    await assert.rejects(cache.save(folder), { code: "EINVAL", message: /is not a file/ });
    if (process.platform !== "win32") {
      const pipe = join(folder, "pipe");
      assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
      await assert.rejects(cache.save(pipe), { code: "EINVAL" });
      await assert.rejects(cache.load(pipe), { code: "EINVAL", message: /is not a file/ });
      assert.ok(lstatSync(pipe).isFIFO());
      assert.deepEqual(readdirSync(folder), ["pipe"]);
    }
  });

  it("may have the longest name that there is", async () => {
    const path = join(newFolder(), "ü".repeat(127));
    await filled("long").save(path);
    assert.equal(await markOf(path), "long");
  });

  it("stays when the disk is full: ENOSPC", { skip: asWindows }, async () => {
    const folder = newFolder();
    const path = join(folder, "file");
    await filled("old").save(path);
    // A limit on the length of files, with its signal ignored: a write fails with EFBIG.
    const limited = `trap '' XFSZ; ulimit -S -f 300; exec "$@"`;
    const env = { ...process.env, PATH_TO_SAVE: path, MARK: "new", TIMES: "1" };
    const { stdout } = spawnSync("bash", ["-c", limited, "bash", process.execPath, QUIET, CHILD], {
      env,
      encoding: "utf8",
    });
    assert.match(stdout, /ENOSPC/);
    assert.equal(await markOf(path), "old");
    assert.deepEqual(leftovers(folder), []);
  });
});

describe("misuse", () => {
  for (const path of [undefined, null, "", 7, "a\0b", new URL("file:///tmp/x"), Buffer.from("x")]) {
    it(`save and load of ${JSON.stringify(path) ?? "undefined"}`, async () => {
      const cache = new CompressedCache({ maxBytes: "1MiB" });
      for (const call of ["save", "load"] as const) {
        await assert.rejects(cache[call](path as string), {
          code: "EINVAL",
          message: new RegExp(`${call}\\(\\) takes the path of a file`),
        });
      }
      cache.close();
    });
  }
});
