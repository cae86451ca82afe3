import { bytesText, countText, percentText, ratioText } from "../base/index.ts";
import type { CgroupZswap, KernelMachine, ZramDevice, ZswapNow } from "./kernel-machine.ts";
import { KERNEL_PAGE } from "./kernel-pages.ts";
import type { KernelFigures } from "./kernel-types.ts";

/** More beside the compressed bytes than this is worth a word. */
const LOST_SHARE = 0.15;
/** Groups that are partly filled take so much of any zram: of a small one that is a large share, and nothing. */
const LOST_BYTES = 4 * 2 ** 20;
const HUGE_SHARE = 0.1;
const FULL_SHARE = 0.9;

/** What the machine has now, and what that means: whole sentences. */
export function machineTexts({ machine }: Pick<KernelFigures, "machine">): string[] {
  const { memory, zrams, zswap, cgroup, denied } = machine;
  const texts: string[] = [];
  if (memory !== null) {
    texts.push(
      `RAM: ${bytesText(memory.totalBytes)}, of it ${bytesText(memory.anonymousBytes)} anonymous memory, which is what swap can take.`,
    );
  }
  texts.push(swapText(machine));
  for (const zram of zrams) texts.push(...zramTexts(zram, machine));
  if (zswap !== null) texts.push(...zswapTexts(zswap, machine));
  if (cgroup !== null) texts.push(...cgroupTexts(cgroup));
  if (denied.length > 0) {
    texts.push(`Not readable for this user: ${denied.join(", ")} (with sudo they are).`);
  }
  return texts;
}

function swapText({ swaps }: KernelMachine): string {
  if (swaps.length === 0) return "Swap: none, so nothing is compressed or swapped now.";
  const each = swaps.map(
    ({ name, bytes, usedBytes, priority }) =>
      `${name}, ${bytesText(usedBytes)} of ${bytesText(bytes)} used, priority ${priority}`,
  );
  return `Swap: ${each.join("; ")}.`;
}

function zramTexts(
  { name, diskBytes, algorithm, algorithms, held }: ZramDevice,
  machine: KernelMachine,
): string[] {
  const others = algorithms.length === 0 ? "" : ` (this kernel lists ${algorithms.join(", ")})`;
  if (diskBytes === 0 || held === null) return [`${name}: there, and not set up${others}.`];
  const { originalBytes, compressedBytes, memoryBytes, limitBytes, samePages, hugePages } = held;
  const size = bytesText(diskBytes);
  if (originalBytes === 0) return [`${name}: ${size} with ${algorithm}, empty.`];
  const pages = originalBytes / KERNEL_PAGE;
  const texts = [
    `${name}: ${bytesText(originalBytes)} of ${size} in ${bytesText(memoryBytes)} (${ratioText(originalBytes / memoryBytes)}) with ${algorithm}; ${countText(samePages)} pages (${percentText(samePages / pages)}) are one word repeated and take nothing, ${countText(hugePages)} (${percentText(hugePages / pages)}) are huge: they do not compress, and take ${bytesText(hugePages * KERNEL_PAGE)} as they are.`,
  ];
  const lost = memoryBytes / compressedBytes - 1;
  if (lost > LOST_SHARE && memoryBytes - compressedBytes > LOST_BYTES) {
    texts.push(
      `${name}: its memory is ${percentText(lost)} more than the compressed pages: echo 1 > /sys/block/${name}/compact gives some back.`,
    );
  }
  if (hugePages / pages > HUGE_SHARE) {
    texts.push(
      `${name}: so many huge pages are worth a backing device, which takes them off memory (writeback).`,
    );
  }
  if (limitBytes > 0 && memoryBytes > limitBytes * FULL_SHARE) {
    texts.push(
      `${name}: ${percentText(memoryBytes / limitBytes)} of its limit of ${bytesText(limitBytes)} is used: it refuses pages soon.`,
    );
  }
  if (originalBytes > diskBytes * FULL_SHARE) {
    texts.push(`${name}: almost full; a larger disksize would take more.`);
  }
  const total = machine.memory?.totalBytes ?? 0;
  if (total > 0 && diskBytes > 2 * total) {
    texts.push(`${name}: its size is more than twice the RAM, which few data compress into.`);
  }
  return texts;
}

function zswapTexts(zswap: ZswapNow, { swaps, memory }: KernelMachine): string[] {
  const { enabled, compressor, maxPoolPercent, zpool, storedBytes, poolBytes, counters } = zswap;
  const small = smallSwapTexts(zswap, { swaps, memory });
  if (!enabled) return [`zswap: off (it would compress with ${compressor}).`, ...small];
  const limit =
    maxPoolPercent === null
      ? ""
      : `, at most ${maxPoolPercent} % of RAM${memory === null ? "" : ` (${bytesText((memory.totalBytes * maxPoolPercent) / 100)})`}`;
  const texts = [`zswap: on, with ${compressor}${zpool === null ? "" : ` in ${zpool}`}${limit}.`];
  if (swaps.length === 0) texts.push("zswap: there is no swap behind it, so it does nothing.");
  if (swaps.some(({ isZram }) => isZram)) {
    texts.push("zswap: it stands before zram, so pages are compressed twice: turn one of them off.");
  }
  if (storedBytes !== null && poolBytes !== null && storedBytes > 0) {
    texts.push(
      `zswap: holds ${bytesText(storedBytes)} in ${bytesText(poolBytes)} (${ratioText(storedBytes / poolBytes)}).`,
    );
  }
  if (zpool !== null && zpool !== "zsmalloc") {
    texts.push(
      `zswap: ${zpool} keeps at most ${zpool === "zbud" ? "two" : "three"} pages in one; zsmalloc packs tighter.`,
    );
  }
  const { pool_limit_hit: hits = 0, reject_compress_poor: poor = 0, written_back_pages: back = 0 } = counters;
  if (hits > 0) {
    texts.push(
      `zswap: its limit was reached ${countText(hits)} times; a larger max_pool_percent keeps more.`,
    );
  }
  if (poor > 0) texts.push(`zswap: ${countText(poor)} pages did not compress and went to the disk.`);
  if (back > 0) texts.push(`zswap: ${countText(back)} pages were written back to the disk to make room.`);
  return [...texts, ...small];
}

/** A small swap leaves the pool empty, whatever its limit. */
function smallSwapTexts(
  { maxPoolPercent: percent }: ZswapNow,
  { swaps, memory }: Pick<KernelMachine, "swaps" | "memory">,
): string[] {
  if (percent === null || memory === null || swaps.length === 0 || swaps.some(({ isZram }) => isZram))
    return [];
  const diskBytes = swaps.reduce((total, { bytes }) => total + bytes, 0);
  const poolBytes = (memory.totalBytes * percent) / 100;
  if (diskBytes >= 2 * poolBytes) return [];
  return [
    `zswap: each of its pages keeps a place in the swap behind it, so it holds ${bytesText(diskBytes)} at most; a pool of ${percent} % of the RAM (${bytesText(poolBytes)}) has room for ${bytesText(2 * poolBytes)} that compress to half.`,
  ];
}

function cgroupTexts({ folder, poolBytes, storedBytes, limitBytes, writeback }: CgroupZswap): string[] {
  const holds =
    poolBytes === 0
      ? "zswap holds nothing of it"
      : storedBytes === null
        ? `zswap takes ${bytesText(poolBytes)} for it`
        : `zswap holds ${bytesText(storedBytes)} of it in ${bytesText(poolBytes)} (${ratioText(storedBytes / poolBytes)})`;
  const limit = limitBytes === null ? "with no limit of its own" : `at most ${bytesText(limitBytes)}`;
  const texts = [`Control group: ${holds}, ${limit} (memory.zswap.max).`];
  if (limitBytes === 0) {
    texts.push(
      `Control group: a limit of 0 keeps all of it out of zswap: echo max > ${folder}/memory.zswap.max, or MemoryZSwapMax=infinity in its unit.`,
    );
  } else if (limitBytes !== null && poolBytes > limitBytes * FULL_SHARE) {
    texts.push(
      `Control group: ${percentText(poolBytes / limitBytes)} of its limit is used: then zswap takes no more of it until some goes back or to the disk.`,
    );
  }
  if (writeback === false) {
    texts.push(
      "Control group: memory.zswap.writeback is 0, here or in a group above: none of it goes to the disk, and what zswap refuses stays in memory.",
    );
  } else if (writeback === true) {
    texts.push("Control group: memory.zswap.writeback is 1: what zswap has no room for goes to the disk.");
  }
  return texts;
}
