/** What memory there is: by files as each kind of system has them, and in a real control group. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { freemem, tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type MachineMemory, MemoryReader } from "../../src/base/index.ts";
import * as browser from "../../src/base/machine-memory.browser.ts";
import { MemoryGroup } from "../support/cgroup.ts";
import { isCode } from "../support/is-code.ts";

const MIB = 2 ** 20;
const FOLDER = mkdtempSync(join(tmpdir(), "zbud-machine-memory-"));
after(() => rmSync(FOLDER, { recursive: true, force: true }));

type Files = Record<string, string>;

let systems = 0;

/** A folder with the files of a system. */
function systemOf(files: Files): string {
  const root = join(FOLDER, String(++systems));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  mkdirSync(root, { recursive: true });
  return root;
}

function readSystem(files: Files): MachineMemory {
  const reader = new MemoryReader(systemOf(files));
  try {
    return reader.read();
  } finally {
    reader.close();
  }
}

const MACHINE: Files = {
  "proc/meminfo": "MemTotal:        8388608 kB\nMemFree:          102400 kB\nMemAvailable:    4194304 kB\n",
  "proc/pressure/memory":
    "some avg10=1.50 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=1\n",
};

const mountOf2 = (top: string): string =>
  `24 1 0:22 / /proc rw,nosuid - proc proc rw\n30 23 0:26 ${top} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n`;
const mountsOf1 = (top: string): string =>
  `31 30 0:28 ${top} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 30 0:31 ${top} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 30 0:37 ${top} /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n`;

/** The files of a group of version 2, in MiB. */
function group2(path: string, max: number | "max", current: number, more: Files = {}): Files {
  const files: Files = {
    "memory.max": max === "max" ? "max\n" : `${max * MIB}\n`,
    "memory.high": "max\n",
    "memory.current": `${current * MIB}\n`,
    "memory.stat": `anon ${MIB}\nfile ${90 * MIB}\nshmem ${50 * MIB}\ninactive_file ${20 * MIB}\nactive_file ${10 * MIB}\nslab_reclaimable ${4 * MIB}\n`,
    ...more,
  };
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [join("sys/fs/cgroup", path, name), text]),
  );
}

/** Those of a group of version 1. */
function group1(path: string, limit: number | null, usage: number): Files {
  const at = (name: string): string => join("sys/fs/cgroup/memory", path, name);
  return {
    [at("memory.limit_in_bytes")]: `${limit === null ? "9223372036854771712" : limit * MIB}\n`,
    [at("memory.usage_in_bytes")]: `${usage * MIB}\n`,
    [at("memory.stat")]:
      `cache 1\ninactive_file ${MIB}\nactive_file ${MIB}\ntotal_cache 1\ntotal_shmem ${50 * MIB}\ntotal_inactive_file ${20 * MIB}\ntotal_active_file ${10 * MIB}\n`,
  };
}

const own2 = (path: string, top = "/"): Files => ({
  "proc/self/cgroup": `0::${path}\n`,
  "proc/self/mountinfo": mountOf2(top),
});
const own1 = (path: string, top = "/"): Files => ({
  "proc/self/cgroup": `9:name=systemd:/x\n8:cpu,cpuacct:/cpu\n4:memory:${path}\n0::/\n`,
  "proc/self/mountinfo": mountsOf1(top),
});

const PRESSURE = { some: 1.5, full: 0.25 };

/** What a group with 20 MiB of inactive and 10 MiB of active page cache can take besides what it does not use. */
const CACHE_1 = 20 + 5;
/** And 4 MiB of reclaimable kernel memory. */
const CACHE_2 = 20 + 5 + 2;

describe("what memory there is", () => {
  const CASES: [what: string, files: Files, limit: number, available: number, source: string][] = [
    ["no groups", {}, 8192, 4096, "machine"],
    ["version 2", { ...own2("/app"), ...group2("app", 256, 200) }, 256, 56 + CACHE_2, "cgroup2"],
    [
      "version 2: high is a limit",
      { ...own2("/app"), ...group2("app", 256, 200, { "memory.high": `${220 * MIB}\n` }) },
      220,
      20 + CACHE_2,
      "cgroup2",
    ],
    [
      "version 2: beyond high",
      { ...own2("/app"), ...group2("app", 256, 230, { "memory.high": `${220 * MIB}\n` }) },
      220,
      CACHE_2,
      "cgroup2",
    ],
    [
      "version 2, nested: the group around has less left",
      { ...own2("/pod/app"), ...group2("pod/app", 256, 100), ...group2("pod", 1024, 1000) },
      256,
      24 + CACHE_2,
      "cgroup2",
    ],
    [
      "version 2, nested: the inner one has less left, the outer a lower limit",
      {
        ...own2("/a/b/c"),
        ...group2("a/b/c", 300, 290),
        ...group2("a/b", "max", 295),
        ...group2("a", 256, 100),
      },
      256,
      10 + CACHE_2,
      "cgroup2",
    ],
    [
      "version 2 in a container with its own root",
      { ...own2("/"), ...group2("", 512, 500) },
      512,
      12 + CACHE_2,
      "cgroup2",
    ],
    [
      "version 2 in a container that knows its path outside",
      { ...own2("/docker/1f", "/docker/1f"), ...group2("", 512, 500) },
      512,
      12 + CACHE_2,
      "cgroup2",
    ],
    [
      "version 2, a group within such a container",
      { ...own2("/docker/1f/in", "/docker/1f"), ...group2("", 512, 100), ...group2("in", 64, 60) },
      64,
      4 + CACHE_2,
      "cgroup2",
    ],
    [
      "version 2, outside of what is seen",
      { ...own2("/../other"), ...group2("", 512, 500), "sys/fs/other/memory.max": "1\n" },
      512,
      12 + CACHE_2,
      "cgroup2",
    ],
    ["version 2 without a limit", { ...own2("/app"), ...group2("app", "max", 200) }, 8192, 4096, "machine"],
    [
      "version 2: the machine has less left",
      { ...own2("/a"), ...group2("a", 6000, 100) },
      6000,
      4096,
      "machine",
    ],
    [
      "version 1",
      { ...own1("/app"), ...group1("app", 256, 200), ...group1("", null, 5000) },
      256,
      56 + CACHE_1,
      "cgroup1",
    ],
    [
      "version 1, nested",
      { ...own1("/pod/app"), ...group1("pod/app", null, 100), ...group1("pod", 200, 150) },
      200,
      50 + CACHE_1,
      "cgroup1",
    ],
    [
      "version 1 in a container that knows its path outside",
      { ...own1("/docker/1f", "/docker/1f"), ...group1("", 128, 100) },
      128,
      28 + CACHE_1,
      "cgroup1",
    ],
    ["version 1 without a limit", { ...own1("/app"), ...group1("app", null, 200) }, 8192, 4096, "machine"],
    ["a group without files", own2("/app"), 8192, 4096, "machine"],
    ["no mounts", { ...group1("", 128, 100), "proc/self/cgroup": "4:memory:/\n" }, 8192, 4096, "machine"],
    [
      "text that is none",
      { ...own2("/app"), ...group2("app", 256, 200, { "memory.max": "?\n" }) },
      8192,
      4096,
      "machine",
    ],
  ];
  for (const [what, files, limit, available, source] of CASES) {
    it(what, () => {
      assert.deepEqual(readSystem({ ...MACHINE, ...files }), {
        limitBytes: limit * MIB,
        availableBytes: available * MIB,
        source,
        pressure: PRESSURE,
      });
    });
  }

  it("pressure is that of the group, where it has one", () => {
    const text =
      "some avg10=33.00 avg60=1.00 avg300=0.00 total=9\nfull avg10=22.10 avg60=0.00 avg300=0.00 total=1\n";
    const files = { ...MACHINE, ...own2("/app"), ...group2("app", 256, 200, { "memory.pressure": text }) };
    assert.deepEqual(readSystem(files).pressure, { some: 33, full: 22.1 });
  });

  it("pressure that nobody counts is null", () => {
    const { "proc/pressure/memory": _, ...files } = MACHINE;
    assert.equal(readSystem(files).pressure, null);
  });

  it("without /proc it is what Node says", () => {
    const { limitBytes, availableBytes, source, pressure } = readSystem({});
    assert.deepEqual([limitBytes, source, pressure], [totalmem(), "machine", null]);
    assert.ok(Math.abs(availableBytes - freemem()) < totalmem() / 2, String(availableBytes));
  });

  it("each read is of that moment, limits included", () => {
    const root = systemOf({ ...MACHINE, ...own2("/app"), ...group2("app", 256, 200) });
    const reader = new MemoryReader(root);
    assert.equal(reader.read().availableBytes, (56 + CACHE_2) * MIB);
    writeFileSync(join(root, "sys/fs/cgroup/app/memory.current"), `${100 * MIB}\n`);
    writeFileSync(join(root, "sys/fs/cgroup/app/memory.max"), `${128 * MIB}\n`);
    const { limitBytes, availableBytes } = reader.read();
    assert.deepEqual([limitBytes, availableBytes], [128 * MIB, (28 + CACHE_2) * MIB]);
    reader.close();
  });
});

describe("what stands for it in browsers", () => {
  it("tells nothing", () => {
    for (const call of [() => new browser.MemoryReader(), browser.memoryBytes, browser.machineMemory]) {
      assert.throws(call, isCode("ENOTSUP", "number of bytes"));
    }
    assert.equal(browser.availableBytes(), Number.POSITIVE_INFINITY);
  });
});

describe("in a memory control group", () => {
  const LIMIT = 64 * MIB;
  const group = new MemoryGroup(LIMIT);
  after(() => group.remove());

  it("a process sees the group's limit, what it leaves of it, shared memory too, and another group when it has moved", async () => {
    const child = fileURLToPath(new URL("machine-memory-child.ts", import.meta.url));
    const { code, stdout, stderr } = await group.run([child, group.folder, group.ownFolder]);
    assert.equal(code, 0, stderr);
    const { before, once, takenBytes, after, shared, moved } = JSON.parse(stdout) as {
      before: MachineMemory;
      once: { limitBytes: number; availableBytes: number };
      takenBytes: number;
      after: MachineMemory;
      shared: MachineMemory;
      moved: MachineMemory;
    };
    assert.equal(before.limitBytes, LIMIT);
    assert.match(before.source, /^cgroup/);
    assert.ok(before.availableBytes > 0 && before.availableBytes < LIMIT, String(before.availableBytes));
    assert.equal(once.limitBytes, LIMIT);
    assert.ok(once.availableBytes < LIMIT, String(once.availableBytes));
    const falls = [
      before.availableBytes - after.availableBytes,
      after.availableBytes - shared.availableBytes,
    ];
    for (const fall of falls)
      assert.ok(Math.abs(fall - takenBytes) < 4 * MIB, `${takenBytes} bytes taken, ${fall} fewer available`);
    assert.ok(moved.limitBytes > LIMIT, String(moved.limitBytes));
  });
});

describe("the group that tests make", () => {
  it("kills what takes more than its limit, says so, and goes", async () => {
    const group = new MemoryGroup(64 * MIB);
    const taking = (mib: number): string[] => ["-e", `Buffer.alloc(${mib * MIB}, 1); console.log("alive")`];
    const small = await group.run(taking(4));
    assert.deepEqual([small.code, small.stdout, small.isKilledForMemory], [0, "alive\n", false]);
    const large = await group.run(taking(200));
    assert.deepEqual([large.signal, large.stdout, large.isKilledForMemory], ["SIGKILL", "", true]);
    const child = group.start(["-e", "console.log(1); setInterval(() => {}, 1e6)"]);
    const ended = once(child, "exit");
    await once(child.stdout as Readable, "data");
    await group.remove();
    assert.deepEqual(await ended, [null, "SIGKILL"]);
    assert.equal(group.oomKills, 1);
    assert.ok(!existsSync(group.folder));
  });
});
