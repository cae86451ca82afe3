import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { type Estimate, type EstimateInput, estimate, estimateKernel } from "../../src/estimate/index.ts";
import { OLD_ZSWAP, writeKernelFiles } from "./kernel-host.ts";
import { partlyNoisy } from "./noisy-data.ts";

const folder = temporaryFolder("scopes");
const PAGE = 4096;
const PAGES = 32;
const START = 0x10000;
const FAST = { codecs: ["lz4"], drivers: ["slots"], units: [PAGE] };

interface Fake {
  pid: number;
  /** Frames of its pages, in their order; 0: the system does not say. */
  frames: number[];
  /** Pages that a process forked from it has too. */
  shared?: number[];
  referencedPages?: number;
}

/** Processes of made-up files: each has one mapping of {@link PAGES} pages, all in memory. */
function fakeMachine(name: string, processes: Fake[], noisyBytes = PAGE): { proc: string; sys: string } {
  const proc = join(folder, name, "proc");
  const sys = join(folder, name, "sys");
  for (const { pid, frames, shared = [], referencedPages = 0 } of processes) {
    const base = join(proc, String(pid));
    mkdirSync(base, { recursive: true });
    const range = `${START.toString(16).padStart(8, "0")}-${(START + PAGES * PAGE).toString(16).padStart(8, "0")}`;
    writeFileSync(join(base, "maps"), `${range} rw-p 00000000 00:00 0\n`);
    writeFileSync(join(base, "comm"), `program-${pid}\n`);
    writeFileSync(join(base, "stat"), `${pid} (a) S 1 1`);
    const mem = Buffer.alloc(START + PAGES * PAGE);
    partlyNoisy(PAGES, PAGE, noisyBytes, pid).copy(mem, START);
    writeFileSync(join(base, "mem"), mem);
    const entries = Buffer.alloc((START / PAGE + PAGES) * 8);
    for (let i = 0; i < PAGES; i++) {
      const exclusive = shared.includes(i) ? 0n : 1n << 56n;
      entries.writeBigUInt64LE((1n << 63n) | exclusive | BigInt(frames[i]), (START / PAGE + i) * 8);
    }
    writeFileSync(join(base, "pagemap"), entries);
    writeFileSync(join(base, "clear_refs"), "");
    writeFileSync(
      join(base, "smaps"),
      `${range} rw-p 00000000 00:00 0\nSize: 128 kB\nRss: ${PAGES * 4} kB\nReferenced: ${referencedPages * 4} kB\nAnonymous: ${PAGES * 4} kB\n`,
    );
  }
  mkdirSync(join(sys, "fs/cgroup/app.slice/inner"), { recursive: true });
  const pids = processes.map(({ pid }) => pid);
  writeFileSync(join(sys, "fs/cgroup/app.slice/cgroup.procs"), `${pids[0]}\n`);
  writeFileSync(join(sys, "fs/cgroup/app.slice/inner/cgroup.procs"), `${pids.slice(1).join("\n")}\n`);
  return { proc, sys };
}

function framesFrom(first: number): number[] {
  return Array.from({ length: PAGES }, (_, i) => first + i);
}

async function estimated(
  { proc, sys }: { proc: string; sys: string },
  input: EstimateInput,
  onWait = (): void => {},
): Promise<Estimate> {
  const wait = async (): Promise<void> => {
    onWait();
    await Promise.resolve();
  };
  return await estimate({ ...input, processHost: { root: proc, sys, platform: "linux", wait } }, FAST);
}

describe("many processes", () => {
  const two = fakeMachine("two", [
    { pid: 10, frames: framesFrom(1000), shared: [0, 1, 2, 3] },
    { pid: 20, frames: [1000, 1001, 1002, 1003, ...framesFrom(2000).slice(4)], shared: [0, 1, 2, 3] },
  ]);

  it("a control group: with the groups below it, by its folder or by its path", async () => {
    for (const cgroup of ["app.slice", "/app.slice", join(two.sys, "fs/cgroup/app.slice")]) {
      const { input, units } = await estimated(two, { cgroup });
      assert.deepEqual([input.group?.scope, input.group?.processes], ["cgroup", 2]);
      // Four pages that both have since the fork count once.
      assert.equal(input.bytes, (2 * PAGES - 4) * PAGE);
      assert.equal(input.group?.sharedBytes, 4 * PAGE);
      assert.equal(units[0].units, 2 * PAGES - 4);
      assert.match(input.notes.join("\n"), /Counted once: 16 KiB that forked processes still share/);
    }
  });

  it("the whole system", async () => {
    const { input } = await estimated(two, { system: true });
    assert.deepEqual([input.group?.scope, input.group?.processes, input.process], ["system", 2, null]);
    assert.equal(input.label, "memory of all processes");
  });

  it("a group that is not there, or empty, is an error that says what to give", async () => {
    await assert.rejects(estimated(two, { cgroup: "nothing.slice" }), {
      code: "ENOENT",
      message: /no control group "nothing.slice": give its folder/,
    });
    mkdirSync(join(two.sys, "fs/cgroup/empty"));
    writeFileSync(join(two.sys, "fs/cgroup/empty/cgroup.procs"), "");
    await assert.rejects(estimated(two, { cgroup: "empty" }), {
      code: "ENOENT",
      message: /has no processes/,
    });
  });

  it("one of pid, cgroup and system; cold only with one of them, in seconds", async () => {
    await assert.rejects(estimated(two, { pid: 10, system: true }), {
      code: "EINVAL",
      message: /one of pid/,
    });
    await assert.rejects(estimate({ paths: ["."], cold: 5 }, FAST), { code: "EINVAL", message: /cold/ });
    for (const cold of [0, 1.5, 1e9]) {
      await assert.rejects(estimated(two, { pid: 10, cold }), { code: "EINVAL", message: /whole seconds/ });
    }
  });
});

describe("zswap of a control group", () => {
  const processes = [60, 61].map((pid) => ({ pid, frames: framesFrom(100 * pid) }));
  const machine = fakeMachine("zswap", processes, 900);
  const group = join(machine.sys, "fs/cgroup/app.slice/inner");
  const root = writeKernelFiles(join(folder, "zswap-machine"), OLD_ZSWAP);

  async function said(files: Record<string, string>): Promise<{ now: string; pasted: string }> {
    writeKernelFiles(group, files);
    const { proc, sys } = machine;
    const { advice, machine: found } = await estimateKernel(
      { cgroup: "app.slice/inner", processHost: { root: proc, sys, platform: "linux" } },
      { for: "size", machineHost: { root, release: "6.12.9" } },
    );
    assert.equal(found.cgroup === null, Object.keys(files).length === 0);
    return { now: advice.now.join("\n"), pasted: advice.paste.flatMap(({ lines }) => lines).join("\n") };
  }

  it("without its files nothing is said of it", async () => {
    assert.doesNotMatch((await said({})).now, /Control group/);
  });

  it("what is in zswap, in how much, and that there is no limit", async () => {
    const { now } = await said({
      "memory.zswap.current": "1048576\n",
      "memory.zswap.max": "max\n",
      "memory.stat": "anon 5\nzswap 1048576\nzswapped 4194304\n",
    });
    assert.match(
      now,
      /Control group: zswap holds 4 MiB of it in 1 MiB \(4\.00x\), with no limit of its own \(memory\.zswap\.max\)\./,
    );
    assert.doesNotMatch(now, /writeback/, "an older kernel has no such file");
  });

  it("a limit that is near", async () => {
    const { now, pasted } = await said({ "memory.zswap.max": "1100000\n", "memory.stat": "anon 5\n" });
    assert.doesNotMatch(pasted, /memory\.zswap/);
    assert.match(now, /Control group: zswap takes 1 MiB for it, at most 1\.05 MiB/);
    assert.match(now, /Control group: 95\.3 % of its limit is used: then zswap takes no more of it/);
  });

  it("a limit of 0, which the lines to paste take away where they turn zswap on", async () => {
    const { now, pasted } = await said({ "memory.zswap.current": "0\n", "memory.zswap.max": "0\n" });
    assert.match(now, /Control group: zswap holds nothing of it, at most 0 B/);
    assert.match(now, /a limit of 0 keeps all of it out of zswap: echo max > .*inner\/memory\.zswap\.max/);
    assert.match(pasted, /^echo max > .*\/app\.slice\/inner\/memory\.zswap\.max$/m);
  });

  it("writeback, which a group above forbids too", async () => {
    assert.match(
      (await said({ "memory.zswap.writeback": "1\n" })).now,
      /memory\.zswap\.writeback is 1: what zswap has no room for goes to the disk/,
    );
    writeKernelFiles(join(group, ".."), { "memory.zswap.writeback": "0\n" });
    assert.match(
      (await said({ "memory.zswap.writeback": "1\n" })).now,
      /memory\.zswap\.writeback is 0, here or in a group above: none of it goes to the disk/,
    );
  });
});

describe("only what is cold", () => {
  it("idle page tracking: pages are marked, and those that are idle still are read", async () => {
    const frames = framesFrom(128);
    const machine = fakeMachine("idle", [{ pid: 30, frames }]);
    const bitmap = join(machine.sys, "kernel/mm/page_idle/bitmap");
    mkdirSync(join(machine.sys, "kernel/mm/page_idle"), { recursive: true });
    writeFileSync(bitmap, Buffer.alloc(1024));
    const { input, units } = await estimated(machine, { pid: 30, cold: 5 }, () => {
      const marked = readFileSync(bitmap);
      assert.equal(marked.readBigUInt64LE((128 / 64) * 8), 0xffff_ffffn, "each page of it is marked");
      // The program uses the first ten pages, and page 20.
      marked.writeBigUInt64LE(0xffff_ffffn & ~0x3ffn & ~(1n << 20n), (128 / 64) * 8);
      writeFileSync(bitmap, marked);
    });
    assert.deepEqual(input.cold, {
      method: "idle pages",
      seconds: 5,
      residentBytes: PAGES * PAGE,
      coldBytes: (PAGES - 11) * PAGE,
    });
    assert.equal(units[0].units, PAGES - 11);
    assert.match(
      input.notes.join("\n"),
      /Cold: 84 KiB of 128 KiB \(65\.6 %\) that nobody used for 5 s, by idle page/,
    );
  });

  it("else referenced bits: cleared, and of each mapping the share that was not used", async () => {
    const machine = fakeMachine("referenced", [
      { pid: 40, frames: framesFrom(0).fill(0), referencedPages: 8 },
    ]);
    const { input, units } = await estimated(machine, { pid: 40, cold: 2 });
    assert.equal(readFileSync(join(machine.proc, "40/clear_refs"), "latin1"), "1");
    assert.deepEqual([input.cold?.method, input.cold?.coldBytes], ["referenced", 24 * PAGE]);
    assert.equal(units[0].units, 24);
    assert.match(input.notes.join("\n"), /not which pages, so pages were taken evenly/);
  });

  it("where all is used, it says so", async () => {
    const machine = fakeMachine("hot", [{ pid: 50, frames: framesFrom(64), referencedPages: PAGES }]);
    await assert.rejects(estimated(machine, { pid: 50, cold: 2 }), {
      code: "ENOENT",
      message: /nothing is cold: every page was used within 2 s/,
    });
  });
});
