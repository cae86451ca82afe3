import { readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { dirname } from "node:path";
import { gunzipSync } from "node:zlib";

/** What a machine has now, each null or empty where it is not there or may not be read. */
export interface KernelMachine {
  /** Such as `6.12.9`; empty if unknown. */
  release: string;
  memory: { totalBytes: number; availableBytes: number; anonymousBytes: number; swapBytes: number } | null;
  swaps: { name: string; bytes: number; usedBytes: number; priority: number; isZram: boolean }[];
  zrams: ZramDevice[];
  zswap: ZswapNow | null;
  /** Pages a group of zsmalloc: the kernel's own setting if it can be read, else what its release has. */
  groupPages: number;
  /** Settings that the kernel was built with, those that matter here; null if they cannot be read. */
  config: Record<string, string> | null;
  /** zswap in the control group whose memory is read; null if none is, or its kernel has no such files. */
  cgroup: CgroupZswap | null;
  /** Folders and files that are there and may not be read. */
  denied: string[];
}

/** What zswap holds of a control group, and may hold. */
export interface CgroupZswap {
  folder: string;
  /** `memory.zswap.current`: bytes of memory that zswap takes for it. */
  poolBytes: number;
  /** `zswapped` of `memory.stat`: bytes of its memory that are in there; null if unknown. */
  storedBytes: number | null;
  /** `memory.zswap.max`; null: none. */
  limitBytes: number | null;
  /** Whether `memory.zswap.writeback` lets its pages go to the disk; null: the kernel has no such file. */
  writeback: boolean | null;
}

/** One zram device. */
export interface ZramDevice {
  name: string;
  /** Bytes; 0: not set up. */
  diskBytes: number;
  algorithm: string;
  /** As the kernel lists them. */
  algorithms: string[];
  hasLevels: boolean;
  hasRecompression: boolean;
  /** What it holds; null if it is not set up. */
  held: {
    originalBytes: number;
    compressedBytes: number;
    memoryBytes: number;
    limitBytes: number;
    samePages: number;
    hugePages: number;
  } | null;
}

/** zswap as it is set, and what it holds. */
export interface ZswapNow {
  enabled: boolean;
  compressor: string;
  maxPoolPercent: number | null;
  /** The allocator; null: the kernel has no choice any more, it is zsmalloc. */
  zpool: string | null;
  hasShrinker: boolean;
  shrinker: boolean;
  /** Whether pages of one word repeated take nothing. */
  sameFilled: boolean;
  /** Pages it holds, and bytes of its pool: from debugfs, or from meminfo. */
  storedBytes: number | null;
  poolBytes: number | null;
  /** Counters of debugfs; empty where it is not mounted or only for root. */
  counters: Record<string, number>;
}

/** Where to look; tests give a folder with files as a kernel has them. */
export interface MachineHost {
  /** Before `/sys`, `/proc` and `/boot`; default nothing. */
  root?: string;
  /** Default the running kernel's. */
  release?: string;
}

const PAGE = 4096;
const GROUP_PAGES = 8;
const GROUP_PAGES_BEFORE = 4;

/** Reads what is there; nothing that is missing is an error. Costs some dozen small files. */
export function readMachine(host: MachineHost = {}): KernelMachine {
  const files = new Files(host.root ?? "");
  const version = host.release ?? (process.platform === "linux" ? release() : "");
  const config = readConfig(files, version);
  const chain = Number(config?.CONFIG_ZSMALLOC_CHAIN_SIZE);
  return {
    release: version,
    memory: readMemory(files),
    swaps: readSwaps(files),
    zrams: readZrams(files),
    zswap: readZswap(files),
    groupPages:
      chain >= 4 && chain <= 16 ? chain : isBefore(version, 6, 3) ? GROUP_PAGES_BEFORE : GROUP_PAGES,
    config,
    cgroup: null,
    denied: files.denied,
  };
}

/**
 * What zswap is for a control group of version 2; null for one that has no such files.
 *
 * @param folder - as it is in the file system.
 */
export function readCgroup(folder: string): CgroupZswap | null {
  const files = new Files("");
  const bytesOf = (name: string): number | null => numberOf(files.text(`${folder}/${name}`));
  const poolBytes = bytesOf("memory.zswap.current");
  if (poolBytes === null) return null;
  return {
    folder,
    poolBytes,
    storedBytes: numberOf(/^zswapped (\d+)$/m.exec(files.text(`${folder}/memory.stat`) ?? "")?.[1]),
    // Its text is "max" where there is no limit.
    limitBytes: bytesOf("memory.zswap.max"),
    writeback: writebackOf(folder, files),
  };
}

/** A group that may not write back forbids it to all that are in it. */
function writebackOf(folder: string, files: Files): boolean | null {
  let writeback: boolean | null = null;
  for (let at = folder; ; at = dirname(at)) {
    const text = files.text(`${at}/memory.zswap.writeback`);
    if (text === null || writeback === false) return writeback;
    writeback = text !== "0";
  }
}

function numberOf(text: string | null | undefined): number | null {
  return text != null && /^\d+$/.test(text) ? Number(text) : null;
}

/** Whether zram takes levels and dictionaries: its files say so, else its release. */
export function takesParameters({ zrams, release }: Pick<KernelMachine, "zrams" | "release">): boolean {
  return zrams.length === 0 ? !isBefore(release, 6, 12) : zrams.some(({ hasLevels }) => hasLevels);
}

/** Whether a release is older; an unknown one is not. */
export function isBefore(version: string, major: number, minor: number): boolean {
  const [, a, b] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (a === undefined) return false;
  return Number(a) < major || (Number(a) === major && Number(b) < minor);
}

/** Reads small files below a root. */
class Files {
  readonly denied: string[] = [];
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  bytes(path: string): Buffer | null {
    try {
      return readFileSync(this.#root + path);
    } catch (error) {
      this.#note(path, error);
      return null;
    }
  }

  text(path: string): string | null {
    return this.bytes(path)?.toString("latin1").trim() ?? null;
  }

  names(path: string): string[] {
    try {
      return readdirSync(this.#root + path).sort();
    } catch (error) {
      this.#note(path, error);
      return [];
    }
  }

  #note(path: string, error: unknown): void {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM") this.denied.push(path);
  }
}

function readConfig(files: Files, version: string): Record<string, string> | null {
  const packed = files.bytes("/proc/config.gz");
  let text: string | null = null;
  try {
    text = packed === null ? null : gunzipSync(packed).toString("latin1");
  } catch {
    // Not what it should be: as if it were not there.
  }
  if (text === null && version !== "") text = files.text(`/boot/config-${version}`);
  if (text === null) return null;
  const names = /^(CONFIG_(?:ZRAM|ZSMALLOC|ZSWAP|CRYPTO_(?:LZO|LZ4|ZSTD|DEFLATE|842))\w*)=(.*)$/gm;
  return Object.fromEntries([...text.matchAll(names)].map(([, name, value]) => [name, value]));
}

function readMemory(files: Files): KernelMachine["memory"] {
  const text = files.text("/proc/meminfo");
  if (text === null) return null;
  const bytesOf = (name: string): number => kibibytesOf(text, name) * 1024;
  return {
    totalBytes: bytesOf("MemTotal"),
    availableBytes: bytesOf("MemAvailable"),
    anonymousBytes: bytesOf("AnonPages"),
    swapBytes: bytesOf("SwapTotal"),
  };
}

function kibibytesOf(text: string, name: string): number {
  return Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
}

function readSwaps(files: Files): KernelMachine["swaps"] {
  const lines = (files.text("/proc/swaps") ?? "").split("\n").slice(1);
  return lines.flatMap((line) => {
    const [name, , size, used, priority] = line.split(/\s+/);
    if (priority === undefined) return [];
    const isZram = /^\/dev\/zram\d+$/.test(name);
    return [
      {
        name,
        bytes: Number(size) * 1024,
        usedBytes: Number(used) * 1024,
        priority: Number(priority),
        isZram,
      },
    ];
  });
}

function readZrams(files: Files): ZramDevice[] {
  return files
    .names("/sys/block")
    .filter((name) => /^zram\d+$/.test(name))
    .map((name) => {
      const base = `/sys/block/${name}`;
      const list = files.text(`${base}/comp_algorithm`) ?? "";
      const diskBytes = Number(files.text(`${base}/disksize`) ?? 0);
      const there = new Set(files.names(base));
      return {
        name,
        diskBytes,
        algorithm: /\[(\S+)\]/.exec(list)?.[1] ?? list.split(" ")[0],
        algorithms: list
          .replaceAll(/[[\]]/g, "")
          .split(/\s+/)
          .filter((each) => each !== ""),
        hasLevels: there.has("algorithm_params"),
        hasRecompression: there.has("recomp_algorithm"),
        held: diskBytes === 0 ? null : heldBy(files.text(`${base}/mm_stat`)),
      };
    });
}

/** `mm_stat`: one line of numbers, more of them in newer kernels. */
function heldBy(text: string | null): ZramDevice["held"] {
  const [original, compressed, memory, limit, , same, , huge] = (text ?? "").split(/\s+/).map(Number);
  if (memory === undefined) return null;
  return {
    originalBytes: original,
    compressedBytes: compressed,
    memoryBytes: memory,
    limitBytes: limit ?? 0,
    samePages: same ?? 0,
    hugePages: huge ?? 0,
  };
}

function readZswap(files: Files): ZswapNow | null {
  const base = "/sys/module/zswap/parameters";
  const names = new Set(files.names(base));
  if (names.size === 0) return null;
  const settingOf = (name: string): string | null => (names.has(name) ? files.text(`${base}/${name}`) : null);
  const counters: Record<string, number> = {};
  for (const name of files.names("/sys/kernel/debug/zswap")) {
    const text = files.text(`/sys/kernel/debug/zswap/${name}`);
    if (text !== null && /^\d+$/.test(text)) counters[name] = Number(text);
  }
  const info = files.text("/proc/meminfo") ?? "";
  const stored = counters.stored_pages;
  const [zswapped, zswap] = [kibibytesOf(info, "Zswapped"), kibibytesOf(info, "Zswap")];
  const told = /^Zswap:/m.test(info);
  return {
    enabled: settingOf("enabled") === "Y",
    compressor: settingOf("compressor") ?? "",
    maxPoolPercent: names.has("max_pool_percent") ? Number(settingOf("max_pool_percent")) : null,
    zpool: settingOf("zpool"),
    hasShrinker: names.has("shrinker_enabled"),
    shrinker: settingOf("shrinker_enabled") === "Y",
    sameFilled: settingOf("same_filled_pages_enabled") !== "N",
    storedBytes: stored === undefined ? (told ? zswapped * 1024 : null) : stored * PAGE,
    poolBytes: counters.pool_total_size ?? (told ? zswap * 1024 : null),
    counters,
  };
}
