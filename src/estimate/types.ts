import type { PageSizeRange } from "../pool/index.ts";
import type { Goal } from "./options.ts";

/**
 * What an estimate says, as one plain object: `JSON.stringify` keeps all of it, and every face (terminal,
 * `--json`, a page) draws from it and from nothing else.
 *
 * How a unit of input is counted, for one codec and one pool:
 *
 * | the unit | counted in | memory it takes |
 * | --- | --- | --- |
 * | is one 8-byte word, repeated | `sameFilled` | none: its owner keeps the word, no object is stored |
 * | does not get smaller with the codec | `incompressible` | the whole unit, kept as it is, outside the pool |
 * | gets smaller, but is refused by the pool as too big for its pages | `refused` of the pool | the same |
 * | gets smaller, and fits | `objects` of the pool | its share of the pool's pages and metadata |
 *
 * So, for every pool: `units = sameFilled + incompressible + refused + objects`, and
 * `heldBytes = pageBytes + metadataBytes + (incompressible + refused) * unit`.
 *
 * Duplicates are counted and shown, but nothing is deducted for them: no pool here shares one object between
 * two owners. Not counted either is what finds a unit again (an index, about 8 bytes a unit): that is the
 * owner's, and the same for every setting.
 *
 * Of a sample, objects, pages and units kept as they are grow with the share that was read; the constant part
 * of a pool's metadata is there once, however much it holds.
 *
 * Ratios compare with the bytes that were really there: the zeros that fill up the last unit of a file are
 * data to the codec, but no memory that anybody saved.
 */
export interface Estimate {
  /** Changes when a field changes its meaning. */
  schema: "zbud-estimate/2";
  input: InputSummary;
  sample: SampleSummary;
  /** One for each unit size, in the order asked for. */
  units: UnitEstimate[];
  advice: Advice;
}

/** What there was to read. */
export interface InputSummary {
  /** For a title: `src`, `process 4711`, `standard input`. */
  label: string;
  /** All of it, whether read or not. */
  bytes: number;
  files: number;
  folders: number;
  /** The process whose memory was read, or null. */
  process: ProcessSummary | null;
  /** The processes of a control group or of the whole system, or null. */
  group: GroupSummary | null;
  /** What of the memory of processes is cold, if only that was asked for. */
  cold: ColdSummary | null;
  /** Whether some of what was to be read had gone: a file got shorter, a process ended. */
  incomplete: boolean;
  skipped: { symlinks: number; special: number; unreadable: number; empty: number };
  /** Whole sentences on what a reader must know to trust the figures: what was left out, and why. */
  notes: string[];
}

/** The memory of a process, as it was when its mappings were listed. */
export interface ProcessSummary {
  pid: number;
  /** Its command name, as the system gives it. */
  name: string;
  /** Anonymous private writable mappings, heap and stack included. */
  mappings: number;
  /** Address space of those mappings. */
  mappedBytes: number;
  /** The part of it that lies in memory: the input of the estimate. */
  residentBytes: number;
  /** The part that lies in swap; not read, because reading would bring it back to memory. */
  swappedBytes: number;
  /** How residency was found: by asking the kernel, or by leaving out pages that hold only zeros. */
  residency: "pagemap" | "scan";
}

/** The memory of many processes. */
export interface GroupSummary {
  scope: "cgroup" | "system";
  /** The control group's folder; empty for the system. */
  name: string;
  /** Processes with memory of their own that could be read. */
  processes: number;
  /** Processes that this user may not read. */
  unreadable: number;
  /** Bytes to be read: of anonymous memory in RAM, those that are cold if only they were asked for. */
  residentBytes: number;
  swappedBytes: number;
  /** Bytes that several of the processes share since one was forked from the other, beyond the first time. */
  sharedBytes: number;
}

/** Memory that nobody used for a while. */
export interface ColdSummary {
  /** Idle page tracking, which knows each page; or referenced bits, which say how much of each mapping was used. */
  method: "idle pages" | "referenced";
  /** For how long it was watched. */
  seconds: number;
  /** Bytes in memory, used or not, and of them those that nobody used. */
  residentBytes: number;
  coldBytes: number;
}

/** What was read of it. */
export interface SampleSummary {
  /** Bytes of input that were read and stored, without padding. */
  bytes: number;
  /** `bytes / input.bytes`. */
  share: number;
  /** How much was to be read, about (small files count by their bytes); null: all of it. */
  limitBytes: number | null;
  seed: number;
  /** Read and stored in so many batches, each in pools of its own; more than 1 only for very large samples. */
  batches: number;
}

/** Figures for one unit size: the bytes that are compressed at a time. All counts are of the sample. */
export interface UnitEstimate {
  /** Bytes. */
  unit: number;
  units: number;
  /** Zeros that filled up the last units of files. */
  paddingBytes: number;
  /** Units that are one 8-byte word, repeated. */
  sameFilled: number;
  /**
   * Units, not same-filled, that equal an earlier one: byte by byte within a batch, by 64 bits of hash across
   * batches. Of an input with more than 4 million different units, a lower bound.
   */
  duplicates: number;
  codecs: CodecEstimate[];
}

/** Figures for one codec at one unit size. */
export interface CodecEstimate {
  codec: string;
  /** Units that do not get smaller. */
  incompressible: number;
  /** Units that do. */
  compressible: number;
  /** Sum of the compressed sizes. */
  compressedBytes: number;
  /**
   * The ratio that an allocator without any loss would reach: bytes of the sample by the compressed sizes,
   * incompressible units at full size. Null when there is nothing to keep at all.
   */
  codecRatio: number | null;
  /** Compressed sizes of the units that get smaller: bytes at these shares of them. Null if there are none. */
  sizes: { min: number; p10: number; p50: number; p90: number; max: number } | null;
  /** Compressible units by compressed size: step `i` counts sizes in `(i, i + 1] * unit / 64`. */
  histogram: number[];
  /** Wall-clock time a unit in this run, a median, copies included; null when nothing was (de)compressed. */
  compressNsPerUnit: number | null;
  decompressNsPerUnit: number | null;
  pools: PoolEstimate[];
  /** How the memory of a zbud pool depends on its page size; null unless zbud was asked for. */
  fit: FitSummary | null;
}

/** A page size chosen for this data. */
export interface FitSummary {
  /** Bytes; the page size that takes the least memory. */
  pageSize: number;
  /** Objects from which it was chosen. */
  objects: number;
  /** Every page size that was tried, with the memory those objects then take: pages, metadata, refused units. */
  curve: { pageSize: number; bytes: number }[];
}

/**
 * A pool after a random half of its objects was freed, which is how pools look that have lived. Of a sample in
 * several batches, the pool of the first that had something to store.
 */
export interface HalfFreed {
  /** Objects before, and what is left of them. */
  filled: number;
  objects: number;
  pages: number;
  objectsPerPage: number;
  /** Bytes of pages and the pool's bookkeeping. */
  poolBytes: number;
  /** Objects that reclaim then has to evict for each page that it releases; null where it cannot reclaim. */
  evictionsPerPage: number | null;
}

/** Figures of one real pool, filled with the sample's objects, read back, decompressed and compared. */
export interface PoolEstimate {
  driver: string;
  /** Bytes; of a pool with several page sizes, the largest. */
  pageSize: number;
  /** Whether the page size was fitted to this data, instead of being the unit's size. */
  fitted: boolean;
  /** The page sizes of a pool that has several; null: it has one. */
  pageSizes: PageSizeRange[] | null;
  objects: number;
  pages: number;
  /** `objects / pages`; 0 when nothing was stored. */
  objectsPerPage: number;
  pageBytes: number;
  /** Bytes of the pool's own bookkeeping. */
  metadataBytes: number;
  /** The part of `metadataBytes` that does not grow with the pages; 0 when nothing was stored. */
  fixedBytes: number;
  /** Compressible units that this pool's pages cannot take; they are kept uncompressed. */
  refused: number;
  /** Units kept uncompressed, `(incompressible + refused) * unit`. */
  rawBytes: number;
  /** All memory that the sample then takes. */
  heldBytes: number;
  /** The effective ratio: bytes of the sample by `heldBytes`. Null when nothing is held at all. */
  ratio: number | null;
  /** Wall-clock time to make room for an object and copy it in, in this run, a median; null: nothing was stored. */
  storeNsPerObject: number | null;
  /** The same pool later; null when nothing was stored. */
  halfFreed: HalfFreed | null;
}

/** One way to keep the data, scaled from the sample to the whole input. */
export interface Setting {
  driver: string;
  pageSize: number;
  pageSizes: PageSizeRange[] | null;
  codec: string;
  unit: number;
  /** What to give as `maxPages`: the pages that the whole input needs, 5 % more, rounded up to two digits. */
  maxPages: number;
  /** The same in bytes, for a pool with several page sizes. */
  maxBytes: number;
  inputBytes: number;
  heldBytes: number;
  savedBytes: number;
  /** `savedBytes / inputBytes`; below 0 when it takes more than it holds. */
  savedShare: number;
  ratio: number | null;
  /**
   * What is weighed: the memory for the input in a pool halfway between just filled and half freed, that is the
   * mean of what an object takes in the one and in the other. `heldBytes` where that is not known.
   */
  livedBytes: number;
  evictionsPerPage: number | null;
  compressNsPerUnit: number | null;
  decompressNsPerUnit: number | null;
}

/** A page store that was filled with the sample, read back and compared. */
export interface StoreTry {
  driver: string;
  /** Bytes of the allocator's pages; null: as the store chooses by itself. */
  poolPageSize: number | null;
  /** All memory that the store then took, index and metadata included. */
  heldBytes: number;
  /** `triedBytes / heldBytes`. */
  ratio: number;
  /** The least limit, of those tried, that held it all. */
  limitBytes: number;
}

/** How to have a page store or a cache keep the data, and what stores took that were tried. */
export interface StoreSetting extends StoreTry {
  codec: string;
  /** The unit: of a page store, its page. */
  pageSize: number;
  /** What to give as `maxBytes` for the whole input: the limit that was tried, scaled, 5 % more, rounded up. */
  maxBytes: number;
  /** Compressed bytes of a page, on average. */
  averageBytes: number;
  /** Bytes of the sample that were stored in such a page store, read back and compared: at most 4 MiB of it. */
  triedBytes: number;
  /** Whether driver and page size of the pool are the store's own defaults: they are advised unless 3 % are at stake. */
  untouched: boolean;
  /** What a store took with nothing chosen but the codec. */
  defaults: StoreTry;
  /** The same with the best allocator of the tables, chosen by hand; null if no other was asked for. */
  byHand: StoreTry | null;
  /** Why its ratio is not that of the pool's row, in one sentence. */
  difference: string;
}

/** What to do. */
export interface Advice {
  /** What was asked for: `"balance"`, `"size"` or `"speed"`. */
  for: Goal;
  /** Whether the best setting saves at least 5 %. Otherwise nothing is advised: `best` only is the least of all. */
  worthwhile: boolean;
  /** Whether all there is to keep are units of one word repeated: any setting then does. */
  onlySameFilled: boolean;
  /** One sentence that says it all, the call that makes the pool at its end. */
  text: string;
  /** The same on `quicker`, and on `smaller`. */
  quickerText: string | null;
  smallerText: string | null;
  /** What spoke for the setting besides its size, in one sentence; null if it is not worthwhile. */
  reason: string | null;
  /**
   * The setting with the least `livedBytes`, weighed by the time to compress and to read back as the goal says (see
   * `for` of the options). Those within 1 % of it count as equal: of them pages of one size before pages of several;
   * then the one that reads back quickest, to within half as much again; of those the one that has to evict least to
   * free a page, to within half as much again; and of those the one with the smallest unit.
   */
  best: Setting;
  /**
   * The best setting of a codec that reads back at least twice as quickly and saves 5 %. Null when there is
   * none, or when fewer than 16 units were timed.
   */
  quicker: Setting | null;
  /** The setting with the least memory, where it takes at least 3 % less than the best, and so more time. */
  smaller: Setting | null;
  /**
   * The best, in the same sense, of the settings that a page store and a cache can have: all but those with several
   * page sizes. Null if nothing is worthwhile, or with less than 1 MiB to try it with.
   */
  store: StoreSetting | null;
}
