import type { KernelMachine } from "./kernel-machine.ts";
import type { Goal } from "./options.ts";
import type { CodecEstimate, InputSummary, SampleSummary } from "./types.ts";

/**
 * What compressed swap of the Linux kernel would take for an input, as one plain object. Pages are the kernel's, of
 * 4096 bytes. Those of one word repeated take nothing, as in zram; those whose compressed form is too large for
 * zsmalloc to put several in a group are *huge*, and kept as they are, in a page each. All figures are scaled from the
 * sample to the whole input. Memory is what these pages add to `mem_used_total` of zram's `mm_stat`, after compaction.
 */
export interface KernelEstimate {
  /** Changes when a field changes its meaning. */
  schema: "zbud-kernel/1";
  input: InputSummary;
  sample: SampleSummary;
  /** Pages of the input, about. */
  pages: number;
  /** Of them pages of one word repeated. */
  samePages: number;
  machine: KernelMachine;
  /** Compressed pages above so many bytes are huge. */
  hugeAbove: number;
  codecs: KernelCodecEstimate[];
  /** What the kernel has and could not be measured, and why. */
  notMeasured: readonly { algorithm: string; why: string }[];
  /** The file that the dictionary was asked to be written to, as zram is to be told; null: it was not. */
  dictionaryFile: string | null;
  /** A second algorithm for pages that were not used; null if none gains anything. */
  recompression: RecompressionEstimate | null;
  advice: KernelAdvice;
}

/** What names a way to compress. */
export interface KernelCodecName {
  /** As zram's `comp_algorithm` and zswap's `compressor` name it. */
  algorithm: string;
  /** Null: it has none, or the kernel's own. */
  level: number | null;
  dictionaryBytes: number | null;
}

/** Figures for one way to compress. */
export interface KernelCodecEstimate extends KernelCodecName {
  /** Whether zswap can have it too: it takes no level and no dictionary. */
  inZswap: boolean;
  /** Pages of the sample that were compressed with it. */
  measuredPages: number;
  /** Of them those that do not get smaller at all. */
  incompressible: number;
  /** Of those that do, as for any codec of an estimate. */
  sizes: CodecEstimate["sizes"];
  histogram: CodecEstimate["histogram"];
  /** Compressed sizes, huge pages at full size: `compr_data_size` of zram's `mm_stat`. */
  compressedBytes: number;
  hugePages: number;
  /** Bytes of memory with zsmalloc, in zram and in zswap, in full groups. */
  heldBytes: number;
  /** Bytes that a device takes once, at most, for groups that are partly filled: much of a small one, little of a large. */
  partialBytes: number;
  /** Bytes of the input's pages by `heldBytes`; null when nothing is held. */
  ratio: number | null;
  /** The same with zbud, that zswap had by default in older kernels; null for what zswap cannot have. */
  zbudBytes: number | null;
  /** Wall-clock time a page in this run, by this library's codec: the kernel's are about as quick. Null: says nothing. */
  compressNs: number | null;
  decompressNs: number | null;
  /** Whether this machine's zram, and its zswap, have it; null: unknown. */
  inThisZram: boolean | null;
  inThisZswap: boolean | null;
}

/** What becomes of pages when all of them are recompressed that get into a smaller size class. */
export interface RecompressionEstimate {
  first: KernelCodecName;
  second: KernelCodecName;
  /** Memory with the first alone, and with all pages recompressed that gain. */
  firstBytes: number;
  bothBytes: number;
  /** Pages that gain. */
  pages: number;
}

/** What to do. */
export interface KernelAdvice {
  for: Goal;
  /** Whether it saves at least 5 %. */
  worthwhile: boolean;
  /** Null: neither. */
  use: "zram" | "zswap" | null;
  /** What to compress with; null if it is not worthwhile. */
  codec: KernelCodecName | null;
  /** The answer in one sentence. */
  text: string;
  /** Why, in sentences. */
  reasons: string[];
  /** What the machine has now, and what that means. */
  now: string[];
  /** To be pasted: as root, into a file, or into the kernel's command line. */
  paste: { title: string; lines: string[] }[];
}

/** What the advice is made from. */
export type KernelFigures = Pick<
  KernelEstimate,
  "pages" | "samePages" | "codecs" | "machine" | "dictionaryFile" | "recompression"
>;
