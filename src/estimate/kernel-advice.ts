import { bytesText, percentText, ratioText, timeText } from "../base/index.ts";
import { SAME_MEMORY, SAME_TIME, TIME_POWER, WORTHWHILE_SHARE } from "./advice.ts";
import { pasteLines } from "./kernel-lines.ts";
import { takesParameters } from "./kernel-machine.ts";
import { codecText, hasParameters, nameOf } from "./kernel-names.ts";
import { machineTexts } from "./kernel-now.ts";
import { KERNEL_PAGE } from "./kernel-pages.ts";
import type { KernelAdvice, KernelCodecEstimate, KernelFigures } from "./kernel-types.ts";
import type { Goal } from "./options.ts";
import { othersRemedy } from "./process-errors.ts";
import type { InputSummary } from "./types.ts";

/** How much better a setting that was left out must be for a word. */
const WORD_SHARE = 0.97;
/** Of fewer pages than this a machine's swap cannot be told. */
const PAGES_ENOUGH = 500;

/**
 * Chooses zswap where a disk's swap stands behind, else zram; and of the codecs that the machine has the one that takes
 * the least memory for its time.
 */
export function adviseKernel(figures: KernelFigures, input: InputSummary, goal: Goal): KernelAdvice {
  const { pages, samePages } = figures;
  const use = placeOf(figures);
  const now = machineTexts(figures);
  const nothing = { for: goal, use: null, codec: null, now, paste: [] };
  if (pages === samePages) {
    return {
      ...nothing,
      worthwhile: true,
      text: "every page is one word repeated, such as zeros: zram takes no memory for that, whatever it compresses with",
      reasons: [],
    };
  }
  const usable = figures.codecs.filter((codec) => isUsable(codec, use.place, figures));
  const whole = pages * KERNEL_PAGE;
  const best = leastOf(usable, goal);
  if (best === null || best.heldBytes > whole * (1 - WORTHWHILE_SHARE)) {
    const least = best === null ? "" : `: with ${codecText(best)} it would take ${bytesText(best.heldBytes)}`;
    return {
      ...nothing,
      worthwhile: false,
      text: `compressed swap does not pay for this: ${bytesText(whole)} of pages hardly get smaller${least}`,
      reasons: [
        "Swap on a disk frees the whole page; compressed memory would hold it at full size.",
        ...(figures.dictionaryFile === null
          ? dictionaryReasons(best, usable, figures, use.place, goal)
          : [`The dictionary in ${figures.dictionaryFile} does not change that.`]),
        ...inputReasons(input, pages),
      ],
    };
  }
  return {
    for: goal,
    worthwhile: true,
    use: use.place,
    codec: nameOf(best),
    text: answerText(best, use.place, whole),
    reasons: [
      use.why,
      ...codecReasons(best, usable, figures, use.place, goal),
      ...dictionaryReasons(best, usable, figures, use.place, goal),
      ...recompressionReasons(figures),
      ...inputReasons(input, pages),
      ...(use.place === "zram" && figures.machine.memory === null
        ? ["The sizes in the lines are of a machine with 8 GiB: this one does not say what it has."]
        : []),
    ],
    now,
    paste: pasteLines(figures, use.place, best, goal),
  };
}

function answerText(best: KernelCodecEstimate, place: "zram" | "zswap", whole: number): string {
  const { heldBytes, ratio, compressNs, decompressNs } = best;
  const cost =
    compressNs === null || decompressNs === null
      ? ""
      : `; a page takes about ${timeText(compressNs)} to compress and ${timeText(decompressNs)} to read back`;
  const saves = `saves ${bytesText(whole - heldBytes)} (${percentText(1 - heldBytes / whole)})`;
  return `${place} with ${codecText(best)}: ${bytesText(whole)} would take ${bytesText(heldBytes)} (${ratioText(ratio)}), ${saves}${cost}`;
}

function placeOf({ machine }: KernelFigures): { place: "zram" | "zswap"; why: string } {
  const disk = machine.swaps.find(({ isZram }) => !isZram);
  const zram = machine.swaps.find(({ isZram }) => isZram);
  if (zram !== undefined) {
    const beside = disk === undefined ? "" : `, and ${disk.name} takes what it has no room for`;
    return { place: "zram", why: `zram, since this machine swaps to ${zram.name} already${beside}.` };
  }
  if (disk !== undefined && machine.zswap !== null) {
    return {
      place: "zswap",
      why: `zswap, since there is swap on ${disk.name}: what is used stays compressed in memory, and what is not goes to the disk.`,
    };
  }
  const why =
    disk === undefined
      ? "zram, since there is no swap on a disk: zswap needs one behind it."
      : "zram, since this kernel has no zswap.";
  return { place: "zram", why };
}

function isUsable(
  codec: KernelCodecEstimate,
  place: "zram" | "zswap",
  { machine, dictionaryFile }: Pick<KernelFigures, "machine" | "dictionaryFile">,
): boolean {
  if (codec.compressNs === null) return false;
  if (place === "zswap") return codec.inZswap && codec.inThisZswap !== false;
  if (hasParameters(codec) && !takesParameters(machine)) return false;
  return codec.inThisZram !== false && (codec.dictionaryBytes === null || dictionaryFile !== null);
}

/** By memory and time, as the goal weighs them; of those within 1 % the quickest, to within half as much again. */
function leastOf(codecs: readonly KernelCodecEstimate[], goal: Goal): KernelCodecEstimate | null {
  if (codecs.length === 0) return null;
  const workOf = ({ compressNs, decompressNs }: KernelCodecEstimate): number =>
    (compressNs ?? 0) + (decompressNs ?? 0);
  const costOf = (codec: KernelCodecEstimate): number =>
    codec.heldBytes * Math.max(1, workOf(codec)) ** TIME_POWER[goal];
  const least = Math.min(...codecs.map(costOf));
  const equal = codecs.filter((codec) => costOf(codec) <= least * SAME_MEMORY);
  const quickest = Math.min(...equal.map(workOf));
  // Levels stand in their order: the lowest of those that are as good.
  return equal.find((codec) => workOf(codec) <= quickest * SAME_TIME) ?? null;
}

function codecReasons(
  best: KernelCodecEstimate,
  usable: readonly KernelCodecEstimate[],
  { codecs, machine }: KernelFigures,
  place: "zram" | "zswap",
  goal: Goal,
): string[] {
  const reasons: string[] = [];
  const smallest = leastOf(usable, "size");
  if (goal !== "size" && smallest !== null && smallest.heldBytes < best.heldBytes * WORD_SHARE) {
    reasons.push(
      `${codecText(smallest)} would take ${percentText(1 - smallest.heldBytes / best.heldBytes)} less, at ${timesText(smallest, best)} the time: --for size takes it.`,
    );
  }
  const quickest = leastOf(usable, "speed");
  if (goal === "balance" && quickest !== null && quickest !== best) {
    reasons.push(
      `${codecText(quickest)} would take ${percentText(quickest.heldBytes / best.heldBytes - 1)} more, at ${timesText(quickest, best)} the time: --for speed takes it.`,
    );
  }
  const missing = leastOf(
    codecs.filter((codec) => codec.compressNs !== null && codec.dictionaryBytes === null),
    goal,
  );
  if (missing !== null && missing.heldBytes < best.heldBytes * WORD_SHARE && !usable.includes(missing)) {
    const why =
      place === "zswap" && !missing.inZswap
        ? "zswap takes no level"
        : hasParameters(missing) && !takesParameters(machine)
          ? "this kernel's zram takes no level"
          : "this kernel does not have it here";
    reasons.push(
      `${codecText(missing)} would take ${percentText(1 - missing.heldBytes / best.heldBytes)} less, and ${why}.`,
    );
  }
  return reasons;
}

/** Whether a dictionary pays, where one was asked for, and where it was not and does. */
function dictionaryReasons(
  best: KernelCodecEstimate | null,
  usable: readonly KernelCodecEstimate[],
  { codecs, machine, dictionaryFile }: KernelFigures,
  place: "zram" | "zswap",
  goal: Goal,
): string[] {
  const dictionary = codecs.find(({ dictionaryBytes }) => dictionaryBytes !== null);
  if (dictionary === undefined) return [];
  if (best === null) return [];
  const can = isUsable(dictionary, place, { machine, dictionaryFile: "" });
  if (dictionaryFile === null) {
    return can && leastOf([...usable, dictionary], goal) === dictionary
      ? [`${comparedText(dictionary, best)}: --dictionary FILE writes it, and gives the lines that use it.`]
      : [];
  }
  if (dictionary === best) {
    return [`zram reads ${dictionaryFile} whenever it is set up: keep the file where it is.`];
  }
  if (place === "zswap") return [`zswap takes no dictionary: ${dictionaryFile} is for zram.`];
  if (!can) {
    return takesParameters(machine)
      ? [`This zram has no ${dictionary.algorithm}, so ${dictionaryFile} is of no use here.`]
      : [`This zram takes no dictionary (Linux 6.12 and later do), so ${dictionaryFile} is of no use here.`];
  }
  return [`The dictionary does not pay here: ${comparedText(dictionary, best)}. The lines are without it.`];
}

/** `zstd level 3 with a dictionary would take 12 % less than lz4, at 3.1 times the time`. */
function comparedText(codec: KernelCodecEstimate, best: KernelCodecEstimate): string {
  const share = codec.heldBytes / best.heldBytes;
  const memory =
    Math.abs(share - 1) < SAME_MEMORY - 1
      ? "as much as"
      : share < 1
        ? `${percentText(1 - share)} less than`
        : `${percentText(share - 1)} more than`;
  return `${codecText(codec)} would take ${memory} ${codecText(best)}, at ${timesText(codec, best)} the time`;
}

function recompressionReasons({ recompression, machine }: KernelFigures): string[] {
  if (recompression === null) return [];
  const { first, second, firstBytes, bothBytes } = recompression;
  const can = machine.zrams.length === 0 || machine.zrams.some(({ hasRecompression }) => hasRecompression);
  return [
    `Recompressed with ${codecText(second)} once they are not used, all pages would take ${bytesText(bothBytes)} instead of the ${bytesText(firstBytes)} of ${codecText(first)} alone${can ? "" : "; this kernel was built without it (CONFIG_ZRAM_MULTI_COMP)"}.`,
  ];
}

function timesText(a: KernelCodecEstimate, b: KernelCodecEstimate): string {
  const work = (codec: KernelCodecEstimate): number => (codec.compressNs ?? 0) + (codec.decompressNs ?? 0);
  const times = work(a) / work(b);
  return `${times.toFixed(times < 9.95 ? 1 : 0)} times`;
}

function inputReasons({ process, group, cold }: InputSummary, pages: number): string[] {
  const reasons: string[] = [];
  if (group !== null && group.unreadable > group.processes) {
    const all = group.unreadable + group.processes;
    reasons.push(`Only ${group.processes} of ${all} processes may be read by this user: ${othersRemedy()}.`);
  }
  if (pages < PAGES_ENOUGH) reasons.push(`${pages} pages are few: they say little of what a machine swaps.`);
  if (group === null && process === null) {
    reasons.push(
      "These are files: a machine swaps the memory of its processes (--system, --cgroup, --pid, or a dump of it). The lines are for the RAM and the kernel of the machine that this runs on.",
    );
  } else if (cold === null) {
    reasons.push(
      "All anonymous memory counts here, and the kernel swaps what is cold: --cold reads only that.",
    );
  }
  return reasons;
}
