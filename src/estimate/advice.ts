import { bytesText, percentText, powerOfTwoAtLeast, ratioText } from "../base/index.ts";
import type { Goal } from "./options.ts";
import type {
  Advice,
  CodecEstimate,
  HalfFreed,
  InputSummary,
  PoolEstimate,
  Setting,
  UnitEstimate,
} from "./types.ts";

/** Below this share of the input, compressing is not worth anybody's time. */
export const WORTHWHILE_SHARE = 0.05;
/** A codec counts as quicker when it reads back in at most this share of the time. */
const QUICKER_SHARE = 0.5;

/** So little more memory is none: settings that close count as equal. */
export const SAME_MEMORY = 1.01;
/** Times that close count as equal: they are measured, and vary from run to run. */
export const SAME_TIME = 1.5;
/** Evictions to free a page that count as equal. */
const SAME_EVICTIONS = 1.5;
/** Fewer units than this are not enough to compare times by. */
const TIMED_UNITS_MIN = 16;

/** The driver that stores and caches have by themselves. */
export const DEFAULT_STORE_DRIVER = "log";

/** Pages to have in reserve: other data of the same kind does not pack exactly as the sample did. */
export const SPARE = 1.05;

/** So much less memory is worth a word, though it takes more time. */
const SMALLER_SHARE = 0.97;
/** How time weighs against memory: a setting's memory is multiplied by its time to this power. */
export const TIME_POWER: Record<Goal, number> = { size: 0, balance: 0.1, speed: 0.5 };
/** No codec is taken to be quicker than copying the bytes. */
const COPY_NS_PER_BYTE = 0.1;

/**
 * Weighs all settings and says what to do: the one that takes the least memory for its time, scaled from the sample to
 * the whole input, and, if there is one, the best of a codec that reads back at least twice as quickly.
 *
 * @param sampleBytes - bytes of input that the figures in `units` are of.
 */
export function advise(
  units: readonly UnitEstimate[],
  input: InputSummary,
  sampleBytes: number,
  goal: Goal = "balance",
): Omit<Advice, "store"> {
  const candidates = candidatesOf(units, input, sampleBytes);
  const best = bestOf(candidates, goal);
  const { setting } = best;
  const worthwhile = isWorthwhile(best);
  const onlySameFilled = units.every(({ units, sameFilled }) => units === sameFilled);
  const weighs = worthwhile && !onlySameFilled;
  const quicker = weighs ? quickerThan(best, candidates) : null;
  const smaller = weighs ? smallerThan(best, candidates) : null;
  return {
    for: goal,
    worthwhile,
    onlySameFilled,
    text: onlySameFilled ? SAME_FILLED_TEXT : adviceText(setting, worthwhile),
    reason: weighs ? reasonText(setting) : null,
    quickerText: quicker === null ? null : quickerText(quicker, best),
    smallerText: smaller === null ? null : smallerText(smaller, best),
    best: setting,
    quicker: quicker?.setting ?? null,
    smaller: smaller?.setting ?? null,
  };
}

const SAME_FILLED_TEXT =
  "all of it is one word repeated, such as zeros: a page store keeps that in no memory but its index, whatever the settings";

/** What to try a store with: the codec and the unit that suit it best, and the best allocator for them by hand. */
export interface StoreChoice {
  setting: Setting;
  pool: PoolEstimate;
  /** Null: no allocator but the default was asked for. */
  byHand: { setting: Setting; pool: PoolEstimate } | null;
  /** Share of the codec's own output in the sample: compressed sizes, and units kept as they are. */
  leastBytes: number;
}

/** The best setting with pages of one size, by the same rules; null if it saves too little. */
export function bestForStore(
  units: readonly UnitEstimate[],
  input: InputSummary,
  sampleBytes: number,
  goal: Goal = "balance",
): StoreChoice | null {
  const candidates = candidatesOf(units, input, sampleBytes).filter(({ pool }) => pool.pageSizes === null);
  if (candidates.length === 0) return null;
  const best = bestOf(candidates, goal);
  if (!isWorthwhile(best)) return null;
  const { codec, unit } = best.setting;
  const others = candidates.filter(
    ({ setting }) =>
      setting.codec === codec && setting.unit === unit && setting.driver !== DEFAULT_STORE_DRIVER,
  );
  const figures = units.find((each) => each.unit === unit)?.codecs.find((each) => each.codec === codec);
  return {
    setting: best.setting,
    pool: best.pool,
    byHand: others.length === 0 ? null : least(others),
    leastBytes: (figures?.compressedBytes ?? 0) + (figures?.incompressible ?? 0) * unit,
  };
}

/** A setting, and what reading a byte back takes: infinity when too little was timed to say. */
interface Candidate {
  setting: Setting;
  pool: PoolEstimate;
  nsPerByte: number;
  /** To compress a byte and to read it back. */
  workNsPerByte: number;
}

function isWorthwhile({ setting }: Candidate): boolean {
  return setting.savedShare >= WORTHWHILE_SHARE;
}

function candidatesOf(units: readonly UnitEstimate[], input: InputSummary, sampleBytes: number): Candidate[] {
  const scale = input.bytes / sampleBytes;
  return units.flatMap(({ unit, codecs }) =>
    codecs.flatMap((codec) =>
      codec.pools.map((pool) => ({
        setting: settingOf(unit, codec, pool, input.bytes, scale),
        pool,
        nsPerByte: nsPerByteOf(unit, codec),
        workNsPerByte: nsPerByteOf(unit, codec) + (codec.compressNsPerUnit ?? 0) / unit,
      })),
    ),
  );
}

function nsPerByteOf(unit: number, codec: CodecEstimate): number {
  if (codec.compressible === 0) return 0;
  const { decompressNsPerUnit } = codec;
  const known = decompressNsPerUnit !== null && codec.compressible >= TIMED_UNITS_MIN;
  return known ? decompressNsPerUnit / unit : Number.POSITIVE_INFINITY;
}

function settingOf(
  unit: number,
  codec: CodecEstimate,
  pool: PoolEstimate,
  inputBytes: number,
  scale: number,
): Setting {
  const scaled = (bytes: number): number => Math.round((bytes - pool.fixedBytes) * scale + pool.fixedBytes);
  const heldBytes = scaled(pool.heldBytes);
  const { halfFreed } = pool;
  const savedBytes = inputBytes - heldBytes;
  return {
    driver: pool.driver,
    pageSize: pool.pageSize,
    pageSizes: pool.pageSizes,
    codec: codec.codec,
    unit,
    maxPages: roundedUp(pool.pages * scale * SPARE),
    maxBytes: maxBytesOf(pool, scale),
    inputBytes,
    heldBytes,
    savedBytes,
    savedShare: savedBytes / inputBytes,
    ratio: heldBytes === 0 ? null : inputBytes / heldBytes,
    livedBytes: halfFreed === null ? heldBytes : scaled(livedBytesOf(pool, halfFreed)),
    evictionsPerPage: halfFreed?.evictionsPerPage ?? null,
    compressNsPerUnit: codec.compressNsPerUnit,
    decompressNsPerUnit: codec.decompressNsPerUnit,
  };
}

/**
 * A pool with several page sizes divides its memory into segments, each for one size: every size may leave the
 * rest of one unused.
 */
const SEGMENT_BYTES = 65_536;
const SEGMENT_SHARE = 1 / 64;

function maxBytesOf({ pageBytes, pageSize, pageSizes }: PoolEstimate, scale: number): number {
  const bytes = pageBytes * scale * SPARE;
  const pagePower = powerOfTwoAtLeast(pageSize);
  const segment = Math.max(SEGMENT_BYTES, pagePower, bytes * SEGMENT_SHARE);
  return roundedUp(bytes + (pageSizes?.length ?? 0) * segment);
}

/** All objects at the mean of what one takes in the pool just filled and in the one half freed. */
function livedBytesOf(pool: PoolEstimate, { objects, poolBytes }: HalfFreed): number {
  const full = pool.pageBytes + pool.metadataBytes;
  if (objects === 0) return full + pool.rawBytes;
  const half = ((poolBytes - pool.fixedBytes) * pool.objects) / objects + pool.fixedBytes;
  return (full + half) / 2 + pool.rawBytes;
}

/** To two digits: more would pretend to be exact. */
export function roundedUp(pages: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, pages))) - 1);
  return Math.max(1, Math.ceil(pages / step) * step);
}

/** The best of those that are worth it, if any is; else the one that takes the least memory. */
function bestOf(candidates: readonly Candidate[], goal: Goal): Candidate {
  const worthwhile = candidates.filter(isWorthwhile);
  return worthwhile.length === 0 ? least(candidates) : least(worthwhile, TIME_POWER[goal]);
}

/** See {@link Advice}: by memory and time, then by simplicity, time, what must be evicted, and unit. */
function least(candidates: readonly Candidate[], timePower = 0): Candidate {
  const power = candidates.every(({ workNsPerByte }) => Number.isFinite(workNsPerByte)) ? timePower : 0;
  const equal = within(
    candidates,
    SAME_MEMORY,
    ({ setting, workNsPerByte }) => setting.livedBytes * Math.max(COPY_NS_PER_BYTE, workNsPerByte) ** power,
  );
  const simple = equal.filter(({ pool }) => pool.pageSizes === null);
  const small = simple.length === 0 ? equal : simple;
  const quick = within(small, SAME_TIME, ({ nsPerByte }) => nsPerByte);
  const gentle = within(
    quick,
    SAME_EVICTIONS,
    ({ setting }) => setting.evictionsPerPage ?? Number.POSITIVE_INFINITY,
  );
  return gentle.reduce((a, b) => {
    const byUnit = b.setting.unit - a.setting.unit;
    return byUnit < 0 || (byUnit === 0 && b.setting.livedBytes < a.setting.livedBytes) ? b : a;
  });
}

/** Those whose value is at most so much more than the least. */
function within(
  candidates: readonly Candidate[],
  factor: number,
  value: (candidate: Candidate) => number,
): readonly Candidate[] {
  const bound = Math.min(...candidates.map(value)) * factor;
  return candidates.filter((candidate) => value(candidate) <= bound);
}

function quickerThan(best: Candidate, candidates: readonly Candidate[]): Candidate | null {
  if (!Number.isFinite(best.nsPerByte) || best.nsPerByte === 0) return null;
  const others = candidates.filter(
    ({ setting, nsPerByte }) =>
      setting.codec !== best.setting.codec &&
      setting.savedShare >= WORTHWHILE_SHARE &&
      setting.decompressNsPerUnit !== null &&
      nsPerByte > 0 &&
      nsPerByte <= best.nsPerByte * QUICKER_SHARE,
  );
  return others.length === 0 ? null : least(others);
}

function smallerThan(best: Candidate, candidates: readonly Candidate[]): Candidate | null {
  const smallest = least(candidates.filter(isWorthwhile));
  return smallest.setting.livedBytes <= best.setting.livedBytes * SMALLER_SHARE ? smallest : null;
}

function smallerText(smaller: Candidate, best: Candidate): string {
  const share = percentText(1 - smaller.setting.livedBytes / best.setting.livedBytes);
  const times = smaller.workNsPerByte / best.workNsPerByte;
  const slower = Number.isFinite(times) && times > 1.05 ? `, at ${times.toFixed(1)} times the time` : "";
  return `${keepsText(smaller.setting)}, ${share} less in a pool that has lived${slower}, in ${callText(smaller.setting)}`;
}

function adviceText(best: Setting, worthwhile: boolean): string {
  if (worthwhile)
    return `${keepsText(best)}: saves ${bytesText(best.savedBytes)} (${percentText(best.savedShare)}), in ${callText(best)}`;
  const [whole, held] = [bytesText(best.inputBytes), bytesText(best.heldBytes)];
  return `keep it uncompressed: the best of these settings, ${codecText(best)}, would hold ${whole} in ${held}`;
}

function reasonText({ evictionsPerPage, inputBytes, livedBytes }: Setting): string {
  const ratio = livedBytes === 0 ? null : inputBytes / livedBytes;
  const lived = `in a pool that has lived, halfway between just filled and half freed, it is ${ratioText(ratio)}`;
  if (evictionsPerPage === null) return lived;
  const count = evictionsPerPage.toFixed(evictionsPerPage < 9.95 ? 1 : 0);
  return `${lived}, and reclaim evicts ${count} ${count === "1.0" ? "object" : "objects"} for each page that it releases`;
}

function quickerText(quicker: Candidate, best: Candidate): string {
  const times = best.nsPerByte / quicker.nsPerByte;
  const fast = `${times.toFixed(times < 9.5 ? 1 : 0)} times as fast`;
  return `${keepsText(quicker.setting)}, and gives it back ${fast}, in ${callText(quicker.setting)}`;
}

function keepsText(setting: Setting): string {
  const { inputBytes, heldBytes, ratio } = setting;
  if (ratio === null) return `${codecText(setting)} keeps ${bytesText(inputBytes)} in no memory at all`;
  return `${codecText(setting)} keeps ${bytesText(inputBytes)} in ${bytesText(heldBytes)} (${ratioText(ratio)})`;
}

/** The call that makes such a pool. */
export function callText({ driver, pageSize, pageSizes, maxPages, maxBytes }: Setting): string {
  if (pageSizes === null) return `createPool("${driver}", { pageSize: ${pageSize}, maxPages: ${maxPages} })`;
  const steps = pageSizes.map((step) => `{ pageSize: ${step.pageSize}, maxSize: ${step.maxSize} }`);
  return `createPool("${driver}", { pageSizes: [${steps.join(", ")}], maxBytes: ${maxBytes} })`;
}

/** `4096`, or `1152–3328, 4 sizes`. */
export function pageSizeText({ pageSize, pageSizes }: Pick<Setting, "pageSize" | "pageSizes">): string {
  if (pageSizes === null) return String(pageSize);
  return `${Math.min(...pageSizes.map((step) => step.pageSize))}–${pageSize}, ${pageSizes.length} sizes`;
}

function codecText({ codec, unit }: Setting): string {
  return `${codec} with ${bytesText(unit)} units`;
}
