/** `zbud list` and `zbud rm`, with real processes at the memory. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { infoOf, pathOf, type SharedMemoryInfo } from "../../src/cli/shared-memory.ts";
import { listLines } from "../../src/cli/shared-memory-text.ts";
import { PLAIN } from "../../src/cli/style.ts";
import { segmentFolder } from "../../src/memory/segment-folder.ts";
import { isCode } from "../support/is-code.ts";
import { run } from "./command.ts";
import {
  CAN_SHARE,
  changeHeader,
  folder,
  freshPath,
  hold,
  infoAt,
  left,
  refused,
  said,
  stateOf,
  writeAt,
} from "./holding.ts";
import { MAKERS } from "./shared-things.ts";

describe("zbud list", { skip: !CAN_SHARE }, () => {
  it("says who is at it: processes, with their threads", async () => {
    const path = freshPath();
    const one = await hold("cache", path, "with a worker");
    const other = await hold("cache", path);
    const [info] = JSON.parse(await said(["list", "--json", path])) as SharedMemoryInfo[];
    assert.deepEqual(
      { ...info, bytes: 0, createdAt: 0 },
      {
        name: path,
        path,
        kind: "cache",
        state: "good",
        bytes: 0,
        limitBytes: 8 * 2 ** 20,
        entries: 500,
        pages: null,
        processes: [one, other]
          .map(({ pid }) => ({ pid, threads: pid === one.pid ? 2 : 1 }))
          .sort((a, b) => a.pid - b.pid),
        createdAt: 0,
      },
    );
    assert.equal(info.bytes, statSync(path).blocks * 512);
    assert.ok(Math.abs(Date.now() - (info.createdAt ?? 0)) < 60_000);
    const lines = (await said(["list", path])).trimEnd().split("\n");
    assert.match(lines[0], /^name +kind +bytes +limit +entries +processes +threads +age$/);
    assert.match(lines[1], /memory-\d+ +cache +[\d.]+ [KM]iB +8 MiB +500 +2 +3 +\d+ s$/);
    assert.equal(lines[0].length, lines[1].length, "in columns");
    await other.end();
    await one.end("SIGKILL");
    assert.deepEqual(infoAt(path).processes, [], "those that ended, however, are not");
  });

  it("a process that is stopped is at it", async () => {
    const path = freshPath();
    const holder = await hold("store", path);
    holder.child.kill("SIGSTOP");
    assert.deepEqual(infoAt(path).processes, [{ pid: holder.pid, threads: 1 }]);
    await holder.end("SIGKILL");
  });

  it("changes nothing", async () => {
    for (const what of ["cache", "store", "zbud"]) {
      const path = freshPath();
      const thing = await MAKERS[what](path);
      const before = stateOf(path);
      infoAt(path);
      assert.deepEqual(stateOf(path), before, what);
      await thing.close();
      const alone = stateOf(path);
      infoAt(path);
      assert.deepEqual(stateOf(path), alone, `${what}, nobody at it`);
    }
  });

  it("all names of this user, without what was never whole", async () => {
    const name = `list-${process.pid}`;
    await left("cache", name);
    const draft = join(segmentFolder(), `${name}.draft-0123abcd`);
    writeFileSync(draft, "");
    try {
      const infos = JSON.parse(await said(["list", "--json"])) as SharedMemoryInfo[];
      const found = infos.filter(({ name: each }) => each.startsWith(name));
      assert.deepEqual(
        found.map(({ name: each, path }) => [each, path]),
        [[name, join(segmentFolder(), name)]],
      );
    } finally {
      await said(["rm", name]);
      assert.equal(existsSync(draft), false, "rm takes it along");
    }
  });

  it("what cannot be opened is said to be so", async () => {
    const path = await left("cache");
    const other = await left("store");
    const index = await left("zbud");
    const cut = await left("cache");
    const flipped = await left("cache");
    const empty = freshPath();
    const text = freshPath();
    const pipe = freshPath();
    changeHeader(path, () => ({ boot: "another" }));
    changeHeader(other, () => ({ layout: "store 0" }));
    changeHeader(index, () => ({ kind: "index" }));
    truncateSync(cut, 2 ** 16);
    writeAt(flipped, 100, new Uint8Array([1]));
    writeFileSync(empty, "");
    writeFileSync(text, "something else, and longer than a magic number");
    assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
    const found = [path, other, index, cut, flipped, empty, text, pipe, folder].map(infoAt);
    assert.deepEqual(
      found.map(({ kind, state, entries, pages }) => [kind, state, entries ?? pages]),
      [
        ["cache", "outdated", null],
        ["store", "other version", null],
        ["index", "good", null],
        [null, "damaged", null],
        [null, "damaged", null],
        [null, "damaged", null],
        [null, "foreign", null],
        [null, "foreign", null],
        [null, "foreign", null],
      ],
    );
    const lines = await said(["list", path, other, text]);
    assert.match(lines, / outdated .* other version .* foreign /s);
  });

  it("one line says what is wrong", async () => {
    const target = await left("cache");
    const link = freshPath();
    symlinkSync(target, link);
    const list = /\(zbud list shows what there is\)$/m;
    await refused(["list", target, link], 2, /it is a link, and links are not followed/);
    await refused(["list", "no-such"], 2, list);
    assert.equal(infoOf("none", `${folder}/none/at-all`), null);
    assert.throws(() => pathOf("a name"), isCode("EINVAL", "NAME", "letters, digits"));
    await refused(["list", "--jsn"], 2, /unknown option '--jsn'/);
  });

  it("none at all; a folder that cannot be read", async () => {
    const uid = 3_000_000_000 + process.pid;
    const as = ["--import", `data:text/javascript,process.getuid=()=>${uid}`];
    const path = segmentFolder().replace(/\d+$/, String(uid));
    assert.equal(await said(["list"], as), `No processes share memory under a name: ${path} has none.\n`);
    writeFileSync(path, "");
    try {
      await refused(["list"], 2, /cannot be read/, as);
    } finally {
      rmSync(path);
    }
    mkdirSync(path, { mode: 0o777 });
    await left("cache", join(path, "planted"));
    try {
      // Another user may have made it: only a look is safe.
      assert.match(await said(["list"], as), /^planted +cache /m);
      for (const command of ["rm", "stats"]) {
        await refused([command, "planted"], 2, /belongs to user|can be used by others/, as);
      }
    } finally {
      rmSync(path, { recursive: true });
    }
  });

  it("where Node does not permit it", async () => {
    const path = await left("cache");
    const permitted = ["--permission", "--allow-fs-read=*"];
    const lines = await said(["list", path], permitted);
    assert.match(lines, / 500 +\? +\? /, "who is at it cannot be seen, all else can");
    for (const command of ["stats", "rm"]) {
      await refused([command, path], 2, /--allow-ffi/, permitted);
    }
    const elsewhere = readdirSync("/").filter((name) => !folder.startsWith(`/${name}/`));
    const reads = elsewhere.map((name) => `--allow-fs-read=/${name}/*`);
    const beside = realpathSync(join(import.meta.dirname, "../.."));
    if (beside.startsWith(`/${folder.split("/")[1]}/`)) reads.push(`--allow-fs-read=${beside}/*`);
    await refused(["list", path], 2, /cannot be opened/, ["--permission", ...reads]);
  });

  it("without a word about ffi", {
    skip: process.getBuiltinModule("node:ffi" as never) === undefined,
  }, async () => {
    const path = await left("cache");
    const main = join(import.meta.dirname, "../../src/cli/main.ts");
    const { status, stderr } = spawnSync(process.execPath, [main, "list", path], { encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
  });

  it("fits a terminal of 80 columns: names are shortened", () => {
    const info: SharedMemoryInfo = {
      name: "n".repeat(100),
      path: "/p",
      kind: "store",
      state: "good",
      bytes: 1023 * 2 ** 20,
      limitBytes: 999 * 2 ** 30,
      entries: 123_456_789,
      pages: null,
      processes: Array.from({ length: 127 }, (_, pid) => ({ pid, threads: 1 })),
      createdAt: 0,
    };
    const odd = { ...info, state: "other version" as const, entries: null };
    const pages = { ...info, kind: "index", entries: null, pages: 999_999 };
    for (const line of listLines([info, odd, pages], 40 * 86_400_000, 80, PLAIN)) {
      assert.ok(line.length <= 80, `${line.length}: ${line}`);
    }
    const [, line] = listLines([info], 0, Number.POSITIVE_INFINITY, PLAIN);
    assert.ok(line.startsWith(`${info.name}  store`), "a pipe gets all of them");
  });
});

describe("zbud rm", { skip: !CAN_SHARE }, () => {
  it("refuses while processes are at it, and says which; by force they go on", async () => {
    const path = freshPath();
    const one = await hold("cache", path, "with a worker");
    const other = await hold("cache", path);
    const pids = [one.pid, other.pid].sort((a, b) => a - b).join(" and ");
    await refused(["rm", path], 2, new RegExp(`is in use by processes ${pids}; `));
    assert.ok(existsSync(path));
    const text = await said(["rm", path, "--force"]);
    assert.match(text, /memory-\d+: removed, [\d.]+ [KM]iB are freed when it is closed: it is used by \d+/);
    assert.equal(existsSync(path), false);
    const anew = await hold("cache", path);
    assert.deepEqual(infoAt(path).processes, [{ pid: anew.pid, threads: 1 }]);
    assert.equal(one.child.exitCode, null, "the others live");
    for (const holder of [one, other, anew]) await holder.end();
  });

  it("removes what nobody uses, and what was never whole", async () => {
    const path = await left("cache");
    const { bytes } = infoAt(path);
    writeFileSync(`${path}.draft-0123abcd`, new Uint8Array(2 ** 20));
    writeFileSync(`${path}.other`, "");
    const [, freed] = /removed, ([\d.]+) MiB freed\n$/.exec(await said(["rm", path])) ?? [];
    assert.ok(Math.abs(Number(freed) - bytes / 2 ** 20 - 1) < 0.1, `${freed} MiB of ${bytes} and a MiB`);
    assert.deepEqual(
      readdirSync(folder).filter((name) => join(folder, name).startsWith(path)),
      [`${path.slice(folder.length + 1)}.other`],
    );
    writeFileSync(`${path}.draft-0123abcd`, "");
    assert.match(await said(["rm", path]), /removed, what was left of some that were never whole, /);
    await refused(["rm", path], 2, /there is no memory at the path/);
  });

  it("takes damaged ones, leaves other files, and goes on after what it cannot remove", async () => {
    const [damaged, good] = [await left("cache"), await left("store")];
    const text = freshPath();
    writeAt(damaged, 100, new Uint8Array([1]));
    writeFileSync(text, "something else");
    const { code, stdout, stderr } = await run(["rm", "--force", text, damaged, "no-such", good]);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /is another kind of file, and is left as it is.*; there is no memory with the name "no-such"/,
    );
    assert.equal(stdout.match(/: removed, /g)?.length, 2);
    assert.deepEqual([text, damaged, good].map(existsSync), [true, false, false]);
  });

  it("a damaged one that somebody is at", async () => {
    const path = freshPath();
    const holder = await hold("cache", path);
    writeAt(path, 100, new Uint8Array([1]));
    assert.deepEqual(infoAt(path).processes, [{ pid: 0, threads: 1 }]);
    await refused(["rm", path], 2, /is in use by some process/);
    await holder.end();
    assert.match(await said(["rm", path]), /freed/);
  });
});
