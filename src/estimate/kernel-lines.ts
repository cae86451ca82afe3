import type { KernelMachine } from "./kernel-machine.ts";
import { hasParameters } from "./kernel-names.ts";
import type {
  KernelAdvice,
  KernelCodecEstimate,
  KernelCodecName,
  KernelFigures,
  RecompressionEstimate,
} from "./kernel-types.ts";
import type { Goal } from "./options.ts";

/** When zram is full it takes this share of the RAM. */
const ZRAM_MEMORY_SHARE = 0.5;
/** A zram of more than twice the RAM is wasteful, as its documentation says. */
const ZRAM_SIZE_MAX = 2;
const POOL_PERCENT = 20;
const MIB = 2 ** 20;

type Paste = KernelAdvice["paste"];

/** What to paste for a setting: as root, now; into the generator's file; into the kernel's command line. */
export function pasteLines(
  { machine, recompression, dictionaryFile }: KernelFigures,
  place: "zram" | "zswap",
  codec: KernelCodecEstimate,
  goal: Goal,
): Paste {
  if (place === "zswap") return [...zswapLines(machine, codec), ...moduleLines(machine, codec)];
  const isRecompressing =
    recompression !== null &&
    recompression.first.algorithm === codec.algorithm &&
    (machine.zrams.length === 0 || machine.zrams[0].hasRecompression) &&
    goal !== "speed";
  return zramLines(machine, codec, isRecompressing ? recompression : null, dictionaryFile);
}

function zswapLines({ zswap, cgroup }: KernelMachine, { algorithm }: KernelCodecName): Paste {
  const hasZpool = zswap !== null && zswap.zpool !== null;
  const percent = Math.max(POOL_PERCENT, zswap?.maxPoolPercent ?? 0);
  const settings: [string, string, boolean][] = [
    ["compressor", algorithm, true],
    ["zpool", "zsmalloc", hasZpool],
    ["max_pool_percent", String(percent), true],
    ["shrinker_enabled", "Y", zswap?.hasShrinker ?? false],
    ["enabled", "Y", true],
  ];
  const used = settings.filter(([, , isThere]) => isThere);
  return [
    {
      title: "as root, for now",
      lines: [
        "cd /sys/module/zswap/parameters",
        ...used.map(([name, value]) => `echo ${value} > ${name}`),
        ...(cgroup?.limitBytes === 0 ? [`echo max > ${cgroup.folder}/memory.zswap.max`] : []),
      ],
    },
    {
      title: "on the kernel's command line, for every start",
      lines: [used.map(([name, value]) => `zswap.${name}=${value === "Y" ? 1 : value}`).join(" ")],
    },
  ];
}

/** zswap starts before modules can be loaded, and takes another compressor without an error. */
function moduleLines({ config }: KernelMachine, { algorithm }: KernelCodecName): Paste {
  if (config?.[`CONFIG_CRYPTO_${algorithm.toUpperCase()}`] !== "m") return [];
  return [
    {
      title: `into /etc/tmpfiles.d/zswap.conf too, for every start: ${algorithm} is a module, and may not be there yet when the command line is read`,
      lines: [`w /sys/module/zswap/parameters/compressor - - - - ${algorithm}`],
    },
  ];
}

function zramLines(
  machine: KernelMachine,
  codec: KernelCodecEstimate,
  second: RecompressionEstimate | null,
  dictionaryFile: string | null,
): Paste {
  const device = machine.zrams.find(({ name }) => machine.swaps.some((swap) => swap.name === `/dev/${name}`));
  const chosen = device ?? machine.zrams[0];
  const name = chosen?.name ?? "zram0";
  const share = sizeShare(codec.ratio ?? 1);
  const ram = machine.memory?.totalBytes ?? null;
  const lines: string[] = [];
  if (chosen === undefined) lines.push("modprobe zram");
  if (device !== undefined) lines.push("# its pages come back to memory first:", `swapoff /dev/${name}`);
  lines.push(`cd /sys/block/${name}`);
  if (chosen !== undefined && chosen.diskBytes > 0) lines.push("echo 1 > reset");
  lines.push(`echo ${codec.algorithm} > comp_algorithm`);
  const parameters = parametersOf(codec, dictionaryFile);
  if (parameters.length > 0) {
    lines.push(`echo "algo=${codec.algorithm} ${parameters.join(" ")}" > algorithm_params`);
  }
  if (second !== null) {
    const more = parametersOf(second.second, dictionaryFile);
    lines.push(`echo "algo=${second.second.algorithm} priority=1" > recomp_algorithm`);
    if (more.length > 0) lines.push(`echo "priority=1 ${more.join(" ")}" > algorithm_params`);
  }
  const size = ram === null ? "8G" : mebibytes(ram * share);
  const limit = ram === null ? "4G" : mebibytes(ram * ZRAM_MEMORY_SHARE);
  lines.push(`echo ${size} > disksize`, `echo ${limit} > mem_limit`);
  lines.push(`mkswap /dev/${name}`, `swapon -p 100 /dev/${name}`);
  const zswapOn = machine.zswap?.enabled === true;
  if (zswapOn) lines.push("echo N > /sys/module/zswap/parameters/enabled");
  const paste: Paste = [{ title: "as root, for now", lines }];
  if (second !== null) {
    paste.push({
      title: "as root, now and then: recompress what was not used since the last time",
      lines: [`cd /sys/block/${name}`, "echo type=idle > recompress", "echo all > idle"],
    });
  }
  paste.push({
    title: "into /etc/systemd/zram-generator.conf, for every start",
    lines: generatorLines(name, codec, second, share, dictionaryFile),
  });
  // Not systemd.zram=1: the generator's file does by itself, and beside a [zram1] that would make a zram0 too.
  if (machine.zswap !== null) {
    paste.push({ title: "on the kernel's command line, for every start", lines: ["zswap.enabled=0"] });
  }
  return paste;
}

function generatorLines(
  name: string,
  codec: KernelCodecName,
  second: RecompressionEstimate | null,
  share: number,
  dictionaryFile: string | null,
): string[] {
  const algorithms = [codec, ...(second === null ? [] : [second.second])].map((each) => {
    const parameters = parametersOf(each, dictionaryFile);
    return `${each.algorithm}${parameters.length === 0 ? "" : `(${parameters.join(",")})`}`;
  });
  const types = second === null ? "" : " (type=idle)";
  return [
    `[${name}]`,
    `zram-size = ram${share === 1 ? "" : ` * ${share}`}`,
    `zram-resident-limit = ram / ${1 / ZRAM_MEMORY_SHARE}`,
    `compression-algorithm = ${algorithms.join(" ")}${types}`,
    "swap-priority = 100",
  ];
}

/** What zram has to be told besides the algorithm. */
function parametersOf(codec: KernelCodecName, dictionaryFile: string | null): string[] {
  if (!hasParameters(codec)) return [];
  const dictionary = codec.dictionaryBytes === null ? [] : [`dict=${dictionaryFile}`];
  return hasParameters({ ...codec, dictionaryBytes: null })
    ? [`level=${codec.level}`, ...dictionary]
    : dictionary;
}

/** Its size as a share of the RAM, so that a full one takes half of it, in steps of a quarter. */
function sizeShare(ratio: number): number {
  return Math.max(0.5, Math.min(ZRAM_SIZE_MAX, Math.floor(ratio * ZRAM_MEMORY_SHARE * 4) / 4));
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / MIB)}M`;
}
