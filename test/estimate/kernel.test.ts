import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { temporaryFolder } from "../../scripts/tools.ts";
import { Prng } from "../../src/base/index.ts";
import { createZstd } from "../../src/codecs/index.ts";
import {
  DICTIONARY_PAGES_MIN,
  estimateKernel,
  type KernelEstimate,
  type KernelEstimateOptions,
} from "../../src/estimate/index.ts";
import { isBefore, readMachine } from "../../src/estimate/kernel-machine.ts";
import type { Goal } from "../../src/estimate/options.ts";
import { BARE, type KernelFiles, OLD_ZSWAP, writeKernelFiles, ZRAM_IN_USE } from "./kernel-host.ts";
import { noise, partlyNoisy } from "./noisy-data.ts";

const folder = temporaryFolder("kernel");
let machines = 0;

function machineOf(files: KernelFiles): string {
  machines += 1;
  return writeKernelFiles(join(folder, `machine-${machines}`), files);
}

/** Pages that compress, some zeros among them, and some noise. */
const BYTES = Buffer.concat([partlyNoisy(600, 4096, 900, 1), Buffer.alloc(100 * 4096), noise(100 * 4096, 2)]);

/** As kernels before 6.12 have it. */
const NO_PARAMETERS: KernelFiles = Object.fromEntries(
  Object.entries(ZRAM_IN_USE).filter(([path]) => !path.endsWith("/algorithm_params")),
);

async function estimated(
  files: KernelFiles,
  release = "6.12.9",
  bytes: Uint8Array = BYTES,
  goal: Goal = "balance",
  more: KernelEstimateOptions = {},
): Promise<KernelEstimate> {
  const machineHost = { root: machineOf(files), release };
  return await estimateKernel({ bytes }, { for: goal, sampleBytes: "all", machineHost, ...more });
}

function pasted({ advice }: KernelEstimate, title: RegExp): string {
  return advice.paste.find((part) => title.test(part.title))?.lines.join("\n") ?? "";
}

describe("what a machine has, read from its files", () => {
  it("zram: its statistics, what it compresses with, and what it can do", () => {
    const { zrams, swaps, memory, zswap, groupPages } = readMachine({
      root: machineOf(ZRAM_IN_USE),
      release: "6.12.9",
    });
    assert.equal(zrams.length, 1);
    assert.deepEqual(zrams[0].held, {
      originalBytes: 4_096_000_000,
      compressedBytes: 1_000_000_000,
      memoryBytes: 1_200_000_000,
      limitBytes: 1_228_800_000,
      samePages: 50_000,
      hugePages: 150_000,
    });
    assert.deepEqual([zrams[0].algorithm, zrams[0].algorithms.length], ["zstd", 7]);
    assert.deepEqual([zrams[0].hasLevels, zrams[0].hasRecompression], [true, true]);
    assert.deepEqual([swaps[0].isZram, swaps[0].priority], [true, 100]);
    assert.equal(memory?.anonymousBytes, 5_000_000 * 1024);
    assert.deepEqual([zswap?.storedBytes, zswap?.poolBytes], [100_000 * 1024, 40_000 * 1024]);
    assert.equal(groupPages, 8);
  });

  it("zswap: settings, and counters of debugfs", () => {
    const { zswap } = readMachine({ root: machineOf(OLD_ZSWAP), release: "5.10.0" });
    assert.equal(zswap?.zpool, "zbud");
    assert.equal(zswap?.storedBytes, 500_000 * 4096);
    assert.equal(zswap?.counters.pool_limit_hit, 12);
  });

  it("a machine with nothing of it is no error", () => {
    const { zrams, swaps, zswap, config, memory } = readMachine({
      root: join(folder, "nothing"),
      release: "",
    });
    assert.deepEqual([zrams, swaps, zswap, config, memory], [[], [], null, null, null]);
  });

  it("an mm_stat of an older kernel, and one that is no such line", () => {
    const old = { ...ZRAM_IN_USE, "sys/block/zram0/mm_stat": "4096 100 4096 0 4096 0 0\n" };
    assert.equal(readMachine({ root: machineOf(old) }).zrams[0].held?.hugePages, 0);
    const broken = { ...ZRAM_IN_USE, "sys/block/zram0/mm_stat": "\n" };
    assert.equal(readMachine({ root: machineOf(broken) }).zrams[0].held, null);
  });

  it("groups of pages: what the kernel was built with, else what its release has", () => {
    assert.equal(readMachine({ root: machineOf(BARE), release: "6.2.0" }).groupPages, 4);
    const boot = {
      ...BARE,
      "boot/config-6.2.0": "CONFIG_ZSMALLOC_CHAIN_SIZE=10\n# CONFIG_ZRAM is not set\n",
    };
    assert.equal(readMachine({ root: machineOf(boot), release: "6.2.0" }).groupPages, 10);
    const packed = machineOf(BARE);
    writeFileSync(join(packed, "proc/config.gz"), gzipSync("CONFIG_ZSMALLOC_CHAIN_SIZE=6\n"));
    assert.equal(readMachine({ root: packed, release: "6.9.0" }).groupPages, 6);
    assert.deepEqual(
      ["6.2.9", "6.3.0-rc1", "5.19", "7.0", ""].map((version) => isBefore(version, 6, 3)),
      [true, false, true, false, false],
    );
  });
});

describe("a kernel estimate", () => {
  it("counts pages as zram does: one word repeated, huge, and all codecs of the kernel", async () => {
    const { pages, samePages, codecs, notMeasured, schema, hugeAbove } = await estimated(BARE);
    assert.equal(schema, "zbud-kernel/1");
    assert.deepEqual([pages, samePages, hugeAbove], [800, 100, 3624]);
    assert.deepEqual(
      codecs.map(({ algorithm, level }) => `${algorithm} ${level ?? ""}`.trim()),
      ["lz4", "lz4hc", ...[1, 2, 3, 4, 5, 6].map((level) => `zstd ${level}`), "deflate", "zstd 3"],
    );
    for (const { algorithm, hugePages, heldBytes, ratio, measuredPages } of codecs) {
      assert.ok(measuredPages >= 350, `${measuredPages}`);
      assert.ok(Math.abs(hugePages - 100) < 25, `${algorithm}: ${hugePages} huge`);
      assert.ok(heldBytes >= hugePages * 4096 && heldBytes < 500 * 4096, `${algorithm}: ${heldBytes}`);
      assert.equal(ratio, (800 * 4096) / heldBytes);
    }
    const names = notMeasured.map(({ algorithm }) => algorithm);
    assert.deepEqual(names, ["lzo-rle", "lzo", "842"]);
    assert.equal(codecs[1].compressNs, null, "the search of lz4hc is our own");
  });

  it("with swap on a disk: zswap, its settings now and at every start, and what it does wrong today", async () => {
    const result = await estimated(OLD_ZSWAP, "5.10.0");
    assert.equal(result.advice.use, "zswap");
    assert.match(result.advice.text, /^zswap with (zstd level 3|lz4): 3\.13 MiB would take .* saves /);
    const now = result.advice.now.join("\n");
    assert.match(now, /zswap: holds 1\.91 GiB in 977 MiB \(2\.00x\)/);
    assert.match(now, /zbud keeps at most two pages in one/);
    assert.match(now, /limit was reached 12 times/);
    assert.match(now, /3,456 pages did not compress and went to the disk/);
    assert.match(
      pasted(result, /root/),
      /^cd \/sys\/module\/zswap\/parameters\necho (zstd|lz4) > compressor\necho zsmalloc > zpool\n/,
    );
    assert.doesNotMatch(pasted(result, /root/), /shrinker/, "this kernel has none");
    assert.match(
      pasted(result, /command line/),
      /^zswap\.compressor=(zstd|lz4) zswap\.zpool=zsmalloc zswap\.max_pool_percent=20 zswap\.enabled=1$/,
    );
    const zbud = result.codecs.find(({ inZswap }) => inZswap);
    assert.ok((zbud?.zbudBytes ?? 0) > (zbud?.heldBytes ?? 0));
  });

  it("with zram in use: zram, recompression, and what it means now", async () => {
    const result = await estimated(ZRAM_IN_USE);
    assert.equal(result.advice.use, "zram");
    const now = result.advice.now.join("\n");
    assert.match(
      now,
      /zram0: 3\.81 GiB of 7\.63 GiB in 1\.12 GiB \(3\.41x\) with zstd; 50,000 pages \(5 %\) are one word/,
    );
    assert.match(now, /150,000 \(15 %\) are huge: they do not compress, and take 586 MiB as they are/);
    assert.match(now, /memory is 20 % more than the compressed pages/);
    assert.match(now, /97\.7 % of its limit/);
    assert.match(now, /compressed twice/);
    const lines = pasted(result, /root, for now/);
    assert.match(
      lines,
      /^# .*\nswapoff \/dev\/zram0\ncd \/sys\/block\/zram0\necho 1 > reset\necho \w+ > comp_algorithm\n/,
    );
    assert.match(
      lines,
      /echo \d+M > disksize\necho 3906M > mem_limit\nmkswap \/dev\/zram0\nswapon -p 100 \/dev\/zram0/,
    );
    assert.match(lines, /echo N > \/sys\/module\/zswap\/parameters\/enabled$/);
    assert.match(
      pasted(result, /generator/),
      /^\[zram0\]\nzram-size = ram \* [\d.]+\nzram-resident-limit = ram \/ 2\ncompression-algorithm = \w+/,
    );
    assert.equal(pasted(result, /command line/), "zswap.enabled=0");
  });

  it("zram on a kernel without zswap: the generator's file is all that a start needs", async () => {
    const { advice } = await estimated(BARE);
    assert.deepEqual(
      advice.paste.map(({ title }) => title.split(",")[0]),
      ["as root", "into /etc/systemd/zram-generator.conf"],
    );
  });

  it("a zram of once the RAM is written so", async () => {
    // A quarter goes each time: these halves compress to about twice as little.
    const result = await estimated(BARE, "6.12.9", partlyNoisy(600, 4096, 1900, 3), "speed");
    assert.match(pasted(result, /generator/), /^\[zram0\]\nzram-size = ram\nzram-resident-limit/);
  });

  it("an almost empty zram: what its groups waste is no advice", async () => {
    const stat = "4096 64 20480 0 20480 0 0 0 0\n";
    const { advice } = await estimated({ ...ZRAM_IN_USE, "sys/block/zram0/mm_stat": stat });
    assert.doesNotMatch(advice.now.join("\n"), /compact/);
  });

  it("zswap's compressor as a module: set again by tmpfiles.d, since the command line comes too early", async () => {
    const linesWith = async (config: string): Promise<string> => {
      const files = { ...OLD_ZSWAP, "boot/config-6.1.0": config };
      return pasted(await estimated(files, "6.1.0"), /tmpfiles\.d.*lz4 is a module/);
    };
    assert.equal(
      await linesWith("CONFIG_CRYPTO_LZ4=m\n"),
      "w /sys/module/zswap/parameters/compressor - - - - lz4",
    );
    assert.equal(await linesWith("CONFIG_CRYPTO_LZ4=y\n"), "");
  });

  it("a swap too small for zswap's pool is said, and one that is large enough is not", async () => {
    const swapOf = async (kibibytes: number): Promise<string> => {
      const swaps = `Filename\tType\tSize\tUsed\tPriority\n/swapfile file ${kibibytes} 0 -2\n`;
      const { advice } = await estimated({ ...OLD_ZSWAP, "proc/swaps": swaps }, "6.1.0");
      assert.equal(advice.use, "zswap");
      return advice.now.join("\n");
    };
    assert.match(
      await swapOf(262_144),
      /zswap: .* so it holds 256 MiB at most; a pool of 20 % of the RAM \(3\.05 GiB\) has room for 6\.1 GiB/,
    );
    assert.doesNotMatch(await swapOf(6_400_000), /at most; a pool/);
  });

  it("recompression: a page is taken only where it gets into a smaller class", async () => {
    const text = Buffer.from(Array.from({ length: 60_000 }, (_, i) => `line ${i * 7919} of text `).join(""));
    const result = await estimated(ZRAM_IN_USE, "6.12.9", text.subarray(0, 300 * 4096), "speed");
    const { recompression } = result;
    assert.ok(recompression !== null);
    assert.equal(recompression.first.algorithm, "lz4");
    assert.ok(recompression.bothBytes < recompression.firstBytes);
    const lz4 = result.codecs.find(({ algorithm }) => algorithm === "lz4");
    assert.equal(recompression.firstBytes, lz4?.heldBytes);
    assert.match(
      result.advice.reasons.join("\n"),
      /Recompressed with (zstd level \d|deflate) once they are not used/,
    );
  });

  it("a codec that this kernel does not have is not advised, and it is said", async () => {
    const files = { ...ZRAM_IN_USE, "sys/block/zram0/comp_algorithm": "[lzo-rle] lzo lz4 \n" };
    const result = await estimated(files, "6.12.9", BYTES, "size");
    assert.equal(result.advice.codec?.algorithm, "lz4");
    assert.equal(result.codecs.find(({ algorithm }) => algorithm === "zstd")?.inThisZram, false);
    const older = await estimated(files, "6.1.0", BYTES, "size");
    assert.equal(older.codecs.find(({ algorithm }) => algorithm === "zstd")?.inThisZram, null);
  });

  it("noise: no advice, and nothing to paste", async () => {
    const { advice } = await estimated(BARE, "6.12.9", noise(200 * 4096, 1));
    assert.deepEqual([advice.worthwhile, advice.use, advice.codec, advice.paste], [false, null, null, []]);
    assert.match(advice.text, /does not pay/);
  });

  it("zeros: no memory, whatever it compresses with", async () => {
    const { advice, codecs } = await estimated(BARE, "6.12.9", Buffer.alloc(200 * 4096));
    assert.deepEqual([advice.worthwhile, advice.use, advice.paste], [true, null, []]);
    assert.match(advice.text, /every page is one word repeated/);
    assert.ok(codecs.every(({ heldBytes, ratio }) => heldBytes === 0 && ratio === null));
  });

  it("an option that it does not take is refused", async () => {
    const wrong = { codecs: ["lz4"] } as object;
    await assert.rejects(estimateKernel({ bytes: BYTES }, wrong), { code: "EINVAL", message: /codecs/ });
  });
});

describe("a dictionary for zram", () => {
  /** Pages that have little in them twice and much in common; half of each is zeros. */
  const RELATED = Buffer.alloc(400 * 4096);
  const phrases = noise(200 * 128, 5);
  const prng = new Prng(6);
  for (let page = 0; page < 400; page++) {
    for (let i = 0; i < 16; i++) {
      const at = 128 * prng.below(200);
      phrases.copy(RELATED, page * 4096 + 128 * i, at, at + 128);
    }
  }
  const FILE = "/etc/zram/zbud.dict";
  it("where nobody asked for one and it pays, that is said, and how to get it", async () => {
    const { advice, dictionaryFile } = await estimated(ZRAM_IN_USE, "6.12.9", RELATED, "size");
    assert.equal(dictionaryFile, null);
    assert.equal(advice.codec?.dictionaryBytes, null);
    assert.match(
      advice.reasons.join("\n"),
      /zstd level 3 with a dictionary would take \d+(\.\d)? % less than .*, at [\d.]+ times the time: --dictionary FILE writes it/,
    );
    assert.doesNotMatch(JSON.stringify(advice.paste), /dict/);
  });

  it("asked for, it is given, advised, and used by the lines before the size is set", async () => {
    const given: Uint8Array[] = [];
    const result = await estimated(ZRAM_IN_USE, "6.12.9", RELATED, "size", {
      dictionaryFile: FILE,
      onDictionary: (bytes) => given.push(bytes),
    });
    const { advice, codecs } = result;
    assert.equal(given.length, 1);
    assert.equal(advice.codec?.dictionaryBytes, given[0].length);
    assert.match(
      pasted(result, /root, for now/),
      /\necho zstd > comp_algorithm\necho "algo=zstd dict=\/etc\/zram\/zbud\.dict" > algorithm_params\n(?:.*\n)*echo \d+M > disksize\n/,
    );
    assert.match(
      pasted(result, /generator/),
      /^compression-algorithm = zstd\(dict=\/etc\/zram\/zbud\.dict\)/m,
    );
    assert.match(advice.reasons.join("\n"), /zram reads \/etc\/zram\/zbud\.dict whenever it is set up: keep/);
    // What it is said to save it saves.
    const target = new Uint8Array(4096);
    const size = (dictionary?: Uint8Array): number =>
      createZstd({ level: 3, ...(dictionary && { dictionary }) }).compress(RELATED.subarray(0, 4096), target);
    assert.ok(size(given[0]) < size() / 2);
    const [plain, trained] = [null, given[0].length].map((wanted) =>
      codecs.find((codec) => codec.level === 3 && codec.dictionaryBytes === wanted),
    );
    assert.ok((trained?.heldBytes ?? 0) < (plain?.heldBytes ?? 0) / 2);
  });

  for (const [what, files, release, bytes, goal, said] of [
    [
      "pages have nothing in common",
      ZRAM_IN_USE,
      "6.12.9",
      BYTES,
      "balance",
      /does not pay here: zstd level 3 with a dictionary would take .* The lines are without it/,
    ],
    ["it is zswap", OLD_ZSWAP, "6.12.9", RELATED, "size", /zswap takes no dictionary: \S+ is for zram/],
    [
      "the kernel is older",
      NO_PARAMETERS,
      "6.6.1",
      RELATED,
      "size",
      /This zram takes no dictionary \(Linux 6\.12 and later do\)/,
    ],
    [
      "the kernel is older, and zram not there yet",
      BARE,
      "6.6.1",
      RELATED,
      "size",
      /This zram takes no dictionary/,
    ],
    [
      "zram has no zstd",
      { ...ZRAM_IN_USE, "sys/block/zram0/comp_algorithm": "[lzo-rle] lz4 \n" },
      "6.12.9",
      RELATED,
      "size",
      /This zram has no zstd, so \S+ is of no use/,
    ],
    [
      "nothing pays",
      ZRAM_IN_USE,
      "6.12.9",
      noise(300 * 4096, 3),
      "size",
      /The dictionary in \S+ does not change that/,
    ],
  ] as const) {
    it(`where ${what} it is not advised, and it is said why`, async () => {
      const { advice } = await estimated(files, release, bytes, goal, { dictionaryFile: FILE });
      assert.match(advice.reasons.join("\n"), said);
      assert.equal(advice.codec?.dictionaryBytes ?? null, null);
      assert.doesNotMatch(JSON.stringify(advice.paste), /dict/);
    });
  }

  it("of few pages there is none", async () => {
    const given: Uint8Array[] = [];
    const few = RELATED.subarray(0, (DICTIONARY_PAGES_MIN - 1) * 4096);
    const { codecs } = await estimated(BARE, "6.12.9", few, "size", {
      onDictionary: (bytes) => given.push(bytes),
    });
    assert.deepEqual([given, codecs.filter(({ dictionaryBytes }) => dictionaryBytes !== null)], [[], []]);
  });
});

describe("a zram without levels", () => {
  it("gets none advised, neither first nor to recompress", async () => {
    for (const goal of ["size", "speed", "balance"] as const) {
      const text = Buffer.from(
        Array.from({ length: 60_000 }, (_, i) => `line ${i * 7919} of text `).join(""),
      );
      const result = await estimated(NO_PARAMETERS, "6.6.1", text.subarray(0, 300 * 4096), goal);
      const { advice, recompression } = result;
      for (const { algorithm, level } of [advice.codec, recompression?.second].filter(
        (codec) => codec != null,
      ))
        assert.ok(algorithm !== "zstd" || level === 3, `${goal}: ${algorithm} ${level}`);
      assert.doesNotMatch(JSON.stringify(advice.paste), /level=|algorithm_params/);
    }
  });
});
