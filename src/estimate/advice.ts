import { bytesText, percentText, ratioText } from "../base/index.ts";
import type { Advice, CodecEstimate, InputSummary, PoolEstimate, Setting, UnitEstimate } from "./types.ts";

/** Below this share of the input, compressing is not worth anybody's time. */
const WORTHWHILE_SHARE = 0.05;
/** A codec counts as quicker when it reads back in at most this share of the time. */
const QUICKER_SHARE = 0.5;

/** So little more memory is none: settings that close count as equal. */
const SAME_MEMORY = 1.01;
/** Times that close count as equal: they are measured, and vary from run to run. */
const SAME_TIME = 1.5;
/** Fewer units than this are not enough to compare times by. */
const TIMED_UNITS_MIN = 16;

/** Pages to have in reserve: other data of the same kind does not pack exactly as the sample did. */
const SPARE = 1.05;

/**
 * Weighs all settings and says what to do: the one that takes the least memory, scaled from the sample to the
 * whole input, and, if there is one, the best of a codec that reads back at least twice as quickly.
 *
 * @param sampleBytes - bytes of input that the figures in `units` are of.
 */
export function advise(units: readonly UnitEstimate[], input: InputSummary, sampleBytes: number): Advice {
  const scale = input.bytes / sampleBytes;
  const candidates = units.flatMap(({ unit, codecs }) =>
    codecs.flatMap((codec) =>
      codec.pools.map((pool) => ({
        setting: settingOf(unit, codec, pool, input.bytes, scale),
        nsPerByte: nsPerByteOf(unit, codec),
      })),
    ),
  );
  const best = least(candidates);
  const { setting } = best;
  const worthwhile = setting.savedShare >= WORTHWHILE_SHARE;
  const quicker = worthwhile ? quickerThan(best, candidates) : null;
  return {
    worthwhile,
    text: adviceText(setting, worthwhile),
    quickerText: quicker === null ? null : quickerText(quicker, best),
    best: setting,
    quicker: quicker?.setting ?? null,
  };
}

/** A setting, and what reading a byte back takes: infinity when too little was timed to say. */
interface Candidate {
  setting: Setting;
  nsPerByte: number;
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
  const heldBytes = Math.round((pool.heldBytes - pool.fixedBytes) * scale + pool.fixedBytes);
  const savedBytes = inputBytes - heldBytes;
  return {
    driver: pool.driver,
    pageSize: pool.pageSize,
    codec: codec.codec,
    unit,
    maxPages: roundedUp(pool.pages * scale * SPARE),
    inputBytes,
    heldBytes,
    savedBytes,
    savedShare: savedBytes / inputBytes,
    ratio: heldBytes === 0 ? null : inputBytes / heldBytes,
    decompressNsPerUnit: codec.decompressNsPerUnit,
  };
}

/** To two digits: more would pretend to be exact. */
function roundedUp(pages: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, pages))) - 1);
  return Math.max(1, Math.ceil(pages / step) * step);
}

/** See {@link Advice}: by memory, then by time, then by unit. */
function least(candidates: readonly Candidate[]): Candidate {
  const leastBytes = Math.min(...candidates.map(({ setting }) => setting.heldBytes));
  const small = candidates.filter(({ setting }) => setting.heldBytes <= leastBytes * SAME_MEMORY);
  const leastNs = Math.min(...small.map(({ nsPerByte }) => nsPerByte));
  const quick = small.filter(({ nsPerByte }) => nsPerByte <= leastNs * SAME_TIME);
  return quick.reduce((a, b) => {
    const byUnit = b.setting.unit - a.setting.unit;
    return byUnit < 0 || (byUnit === 0 && b.setting.heldBytes < a.setting.heldBytes) ? b : a;
  });
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

function adviceText(best: Setting, worthwhile: boolean): string {
  if (worthwhile)
    return `${keepsText(best)}: saves ${bytesText(best.savedBytes)} (${percentText(best.savedShare)}), in ${callText(best)}`;
  const [whole, held] = [bytesText(best.inputBytes), bytesText(best.heldBytes)];
  return `keep it uncompressed: the best of these settings, ${codecText(best)}, would hold ${whole} in ${held}`;
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

/** The call that makes such a pool, and what to put into it. */
export function settingText(setting: Setting): string {
  return `${callText(setting)} with ${codecText(setting)}`;
}

/** The call that makes such a pool. */
export function callText({ driver, pageSize, maxPages }: Setting): string {
  return `createZpool("${driver}", { pageSize: ${pageSize}, maxPages: ${maxPages} })`;
}

function codecText({ codec, unit }: Setting): string {
  return `${codec} with ${bytesText(unit)} units`;
}
