import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { type Estimate, type EstimateOptions, estimate } from "../../src/estimate/index.ts";
import { noise, partlyNoisy } from "./noisy-data.ts";

const FAST: EstimateOptions = { codecs: ["lz4"], units: [4096] };
const folder = temporaryFolder("input");

describe("files and folders", () => {
  it("a folder is read with all in it; links, special and empty files are left out and counted", async () => {
    const root = join(folder, "tree");
    mkdirSync(join(root, "inner", "empty"), { recursive: true });
    writeFileSync(join(root, "a"), noise(5000, 1));
    writeFileSync(join(root, "inner", "b"), noise(4096, 2));
    writeFileSync(join(root, "inner", "nothing"), "");
    symlinkSync(join(root, "a"), join(root, "link"));
    symlinkSync(root, join(root, "inner", "loop"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    const { input, sample, units } = await estimate({ paths: [root] }, FAST);
    assert.deepEqual(input.skipped, { symlinks: 2, special: 1, unreadable: 0, empty: 1 });
    assert.deepEqual([input.files, input.folders, input.bytes, sample.bytes], [2, 3, 9096, 9096]);
    assert.equal(units[0].units, 3);
    assert.deepEqual(input.notes, ["Left out: 2 symbolic links, 1 special file, 1 empty file."]);
    assert.equal(input.label, root);
  });

  it("a path that is named again, or lies in a named folder, counts once", async () => {
    const root = join(folder, "twice");
    mkdirSync(root);
    writeFileSync(join(root, "a"), noise(5000, 1));
    const { input } = await estimate({ paths: [join(root, "a"), root, `${root}/.`] }, FAST);
    assert.deepEqual([input.files, input.bytes], [1, 5000]);
    assert.deepEqual(input.notes, ["Counted once: 2 paths named again, or in a named folder."]);
  });

  it("a file whose name is no UTF-8 is read", { skip: process.platform !== "linux" }, async () => {
    const root = join(folder, "latin1");
    const inner = Buffer.from(`${root}/d\xff`, "latin1");
    mkdirSync(root);
    mkdirSync(inner);
    writeFileSync(Buffer.concat([inner, Buffer.from("/a\xfe", "latin1")]), noise(5000, 1));
    const { input, sample } = await estimate({ paths: [root] }, FAST);
    assert.deepEqual([input.files, sample.bytes, input.skipped.unreadable], [1, 5000, 0]);
  });

  it("a file that became a pipe after it was listed is not waited for", { timeout: 20_000 }, async () => {
    const path = join(folder, "becomes-a-pipe");
    writeFileSync(path, noise(5000, 1));
    const other = join(folder, "stays");
    writeFileSync(other, noise(5000, 2));
    const work = estimate({ paths: [path, other] }, FAST);
    rmSync(path);
    execFileSync("mkfifo", [path]);
    assert.equal((await work).sample.bytes, 5000);
  });

  it("a link that is named is followed", async () => {
    const link = join(folder, "link");
    writeFileSync(join(folder, "target"), noise(4096, 1));
    symlinkSync(join(folder, "target"), link);
    assert.equal((await estimate({ paths: [link] }, FAST)).input.bytes, 4096);
  });

  it("a file that got shorter after it was listed: what is left is used, and it is said", async () => {
    const path = join(folder, "shrinking");
    writeFileSync(path, noise(40_000, 1));
    // The call returns when the file is listed and not yet read.
    const work = estimate({ paths: [path] }, FAST);
    truncateSync(path, 10_000);
    const { input, sample } = await work;
    assert.deepEqual([input.bytes, sample.bytes], [40_000, 10_000]);
    assert.match(input.notes.join(), /29\.3 KiB changed or went away/);
  });

  const missing = join(folder, "missing");
  const WRONG: [string, string[], string, RegExp][] = [
    ["no such path", [missing], "ENOENT", /no such file or folder: .*missing"/],
    ["a path through a file", [join(import.meta.filename, "x")], "ENOENT", /no such file or folder/],
    ["a path too long", ["x".repeat(5000)], "EINVAL", /too long for the system/],
    ["a device", ["/dev/null"], "EINVAL", /neither a file nor a folder/],
  ];
  for (const [name, paths, code, message] of WRONG) {
    it(`${name} is refused`, async () => {
      await assert.rejects(estimate({ paths }, FAST), { code, message });
    });
  }

  it("nothing but empty files is refused, and it says what was there", async () => {
    const root = join(folder, "hollow");
    mkdirSync(root);
    await assert.rejects(estimate({ paths: [root] }, FAST), { code: "EINVAL", message: /it is empty/ });
    writeFileSync(join(root, "a"), "");
    await assert.rejects(estimate({ paths: [root] }, FAST), { code: "EINVAL", message: /only 1 empty file/ });
  });
});

function chownIfRoot(path: string): void {
  if (process.getuid?.() === 0) chownSync(path, 1000, 1000);
}

/** A made-up process: its files in a folder that looks like /proc. */
function fakeProcess(name: string, options: { pagemap?: boolean; memBytes?: number }): string {
  const root = join(folder, name);
  const base = join(root, "4711");
  mkdirSync(base, { recursive: true });
  const maps = [
    "00400000-00410000 r-xp 00000000 08:01 1234 /bin/program",
    "00010000-00020000 rw-p 00000000 00:00 0",
    "00020000-00030000 rw-p 00000000 00:00 0 [heap]",
    "00030000-00040000 rw-s 00000000 00:01 99 /dev/zero (deleted)",
    "00040000-00050000 ---p 00000000 00:00 0",
    "00050000-00060000 rw-p 00001000 08:01 1234 /bin/program",
    "00060000-00070000 rw-p 00000000 00:00 0 [stack]",
    "00070000-00080000 rw-p 00000000 00:00 0 [vvar]",
    "00080000-00090000 rwxp 00000000 00:00 0 [anon:code]",
  ];
  writeFileSync(join(base, "maps"), `${maps.join("\n")}\n`);
  writeFileSync(join(base, "comm"), "program\n");
  writeFileSync(join(base, "stat"), "4711 (a (b) c) S 1 1");
  // 16 pages a mapping: the first half holds data, then come zeros.
  const mem = Buffer.alloc(0x90000);
  for (const start of [0x10000, 0x20000, 0x60000, 0x80000]) noise(0x8000, start).copy(mem, start);
  writeFileSync(join(base, "mem"), mem.subarray(0, options.memBytes ?? mem.length));
  if (options.pagemap) {
    const entries = Buffer.alloc(0x90 * 8);
    const set = (page: number, bit: bigint): void => void entries.writeBigUInt64LE(1n << bit, page * 8);
    // In memory: 9 pages of the first mapping (one of them zeros), 4 of the stack. In swap: 2 of the heap.
    for (let page = 0x10; page < 0x19; page++) set(page, 63n);
    for (let page = 0x60; page < 0x68; page += 2) set(page, 63n);
    for (const page of [0x20, 0x21]) set(page, 62n);
    for (const page of [0x30, 0x40, 0x50, 0x70]) set(page, 63n);
    writeFileSync(join(base, "pagemap"), entries);
  }
  return root;
}

function estimateFake(root: string): Promise<Estimate> {
  return estimate({ pid: 4711, processHost: { root, platform: "linux" } }, FAST);
}

describe("memory of a made-up process", () => {
  it("resident pages of anonymous private writable mappings, and no others", async () => {
    const { input, units } = await estimateFake(fakeProcess("pagemap", { pagemap: true }));
    assert.deepEqual(input.process, {
      pid: 4711,
      name: "program",
      mappings: 4,
      mappedBytes: 4 * 0x10000,
      residentBytes: 13 * 4096,
      swappedBytes: 2 * 4096,
      residency: "pagemap",
    });
    assert.equal(input.bytes, 13 * 4096);
    assert.equal(units[0].sameFilled, 1);
    assert.deepEqual(input.notes, [
      "Not read: memory shared with other processes, and mapped files (programs, libraries).",
      "8 KiB of the process are in swap and were not read.",
    ]);
  });

  it("without a pagemap, pages of zeros count as never touched, and it is said", async () => {
    const { input, units } = await estimateFake(fakeProcess("scan", {}));
    assert.equal(input.process?.residency, "scan");
    assert.equal(input.bytes, 4 * 8 * 4096);
    assert.equal(units[0].sameFilled, 0);
    assert.match(input.notes.join(), /pages that hold only zeros were left out/);
  });

  it("one that ends while it is read: what was read is used, and it is said", async () => {
    const root = fakeProcess("ending", { pagemap: true, memBytes: 0x14000 });
    const { input, sample } = await estimateFake(root);
    assert.equal(sample.bytes, 4 * 4096);
    assert.match(input.notes[0], /ended while it was read: the figures are of what was read until then/);
  });

  it("one that ends before anything is read", async () => {
    const root = fakeProcess("gone", { pagemap: true, memBytes: 0 });
    await assert.rejects(estimateFake(root), {
      code: "ENOENT",
      message: /ended before any of its memory was read/,
    });
  });

  it("on another system it is refused, and says what to do", async () => {
    await assert.rejects(estimate({ pid: 1, processHost: { platform: "darwin" } }, FAST), {
      code: "ENOTSUP",
      message: /needs Linux, and this is darwin: name files/,
    });
  });

  it("root in a container is told what withholds the right, not to become root", async () => {
    const { processError } = await import("../../src/estimate/process-errors.ts");
    const denied = Object.assign(new Error("no"), { code: "EACCES" });
    const { message } = processError(4711, fakeProcess("root", {}), denied, 0);
    assert.match(message, /root here lacks CAP_SYS_PTRACE.*--cap-add SYS_PTRACE, or run on the host/);
    assert.doesNotMatch(message, /sudo/);
  });

  it("root that has the right and is kept out all the same is told what else there is", async () => {
    const { processError, othersRemedy } = await import("../../src/estimate/process-errors.ts");
    const root = fakeProcess("root-with-rights", {});
    mkdirSync(join(root, "self"));
    const may = (mask: string): string => {
      writeFileSync(join(root, "self/status"), `Name:\tnode\nCapEff:\t${mask}\n`);
      const denied = Object.assign(new Error("no"), { code: "EACCES" });
      const { message } = processError(4711, root, denied, 0);
      assert.ok(message.includes(othersRemedy(root, 0)), "those left out of a group: the same");
      return message;
    };
    assert.match(may("000001ffffffffff"), /security module .* keeps it from root too/);
    assert.match(may("00000000a80425fb"), /root here lacks CAP_SYS_PTRACE/);
    assert.match(othersRemedy(root, 1000), /^run with sudo/);
  });

  it("a thread of the kernel is there, and has no memory; a number that nobody has is not", async () => {
    const { processError } = await import("../../src/estimate/process-errors.ts");
    const gone = Object.assign(new Error("no"), { code: "ESRCH" });
    const root = fakeProcess("kernel-thread", {});
    assert.match(processError(4711, root, gone).message, /process 4711 has no memory to read: .* the kernel/);
    assert.match(processError(4712, root, gone).message, /no such process: 4712/);
  });

  it("with kernel.yama.ptrace_scope in the way it says so", async () => {
    const { processError } = await import("../../src/estimate/process-errors.ts");
    const root = fakeProcess("scope", {});
    mkdirSync(join(root, "sys/kernel/yama"), { recursive: true });
    // As somebody who is not root: root is told other things.
    chownIfRoot(join(root, "4711"));
    const owner = statSync(join(root, "4711")).uid;
    const remedyFor = (scope: string, uid = owner): string => {
      writeFileSync(join(root, "sys/kernel/yama/ptrace_scope"), `${scope}\n`);
      return processError(4711, root, Object.assign(new Error("no"), { code: "EACCES" }), uid).message;
    };
    assert.match(
      remedyFor("1"),
      /ptrace_scope is 1; run with sudo \(it needs CAP_SYS_PTRACE\), or set it to 0/,
    );
    assert.match(remedyFor("3"), /forbids it to everybody/);
    assert.match(remedyFor("0"), /no permission to read the memory of process 4711: it protects itself/);
    assert.match(remedyFor("1", owner + 1), /it belongs to another user/);
  });
});

const CHILD = `
const data = Buffer.alloc(64 << 20, "0123456789");
for (let i = 0; i < data.length; i += 4096) data.writeUInt32LE((i * 2654435761) >>> 0, i);
globalThis.untouched = new ArrayBuffer(256 << 20);
globalThis.data = data;
console.log("ready");
process.stdin.resume().on("end", () => process.exit());
`;

describe("memory of a live process", { skip: process.platform !== "linux" }, () => {
  it("its data is there, and memory that it never touched is not", async () => {
    const child = spawn(process.execPath, ["-e", CHILD], { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout, "data");
    const exited = once(child, "exit");
    try {
      const { input, sample, units } = await estimate(
        { pid: child.pid as number },
        { ...FAST, sampleBytes: 8 << 20 },
      );
      assert.ok(input.process !== null);
      assert.ok(input.process.residentBytes >= 64 << 20, `${input.process.residentBytes}`);
      assert.ok(input.process.residentBytes < 200 << 20, `${input.process.residentBytes}`);
      assert.ok(input.process.mappedBytes > 320 << 20, `${input.process.mappedBytes}`);
      assert.equal(sample.bytes, 8 << 20);
      // Two thirds and more of its pages are the pattern, which every codec shrinks to nearly nothing.
      const { histogram, compressible } = units[0].codecs[0];
      assert.ok(histogram[0] + histogram[1] > compressible / 2, JSON.stringify(histogram));
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
    await assert.rejects(estimate({ pid: child.pid as number }, FAST), {
      code: "ENOENT",
      message: /no such process/,
    });
  });

  it("this process", async () => {
    const kept = partlyNoisy(1000, 4096, 500, 1);
    const result = await estimate({ pid: process.pid }, { ...FAST, sampleBytes: 4 << 20 });
    assert.ok(result.input.bytes > kept.length);
  });
});
