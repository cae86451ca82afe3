import type { Advice, CodecEstimate, InputSummary, PoolEstimate, Setting, UnitEstimate } from "./types.ts";
import { bytesText, percentText, ratioText } from "./words.ts";

/** Below this share of the input, compressing is not worth anybody's time. */
const WORTHWHILE_SHARE = 0.05;
/** A codec counts as quicker when it reads back in at most this share of the time. */
const QUICKER_SHARE = 0.5;

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
  const settings = units.flatMap(({ unit, codecs }) =>
    codecs.flatMap((codec) => codec.pools.map((pool) => settingOf(unit, codec, pool, input.bytes, scale))),
  );
  const best = least(settings);
  const worthwhile = best.savedShare >= WORTHWHILE_SHARE;
  const quicker = worthwhile ? quickerThan(best, settings) : null;
  return {
    worthwhile,
    text: adviceText(best, worthwhile),
    quickerText: quicker === null ? null : quickerText(quicker, best),
    best,
    quicker,
  };
}

function settingOf(
  unit: number,
  codec: CodecEstimate,
  pool: PoolEstimate,
  inputBytes: number,
  scale: number,
): Setting {
  const heldBytes = Math.round(pool.heldBytes * scale);
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

function least(settings: readonly Setting[]): Setting {
  return settings.reduce((a, b) => (b.heldBytes < a.heldBytes ? b : a));
}

function nsPerByte(setting: Setting): number {
  return (setting.decompressNsPerUnit ?? 0) / setting.unit;
}

function quickerThan(best: Setting, settings: readonly Setting[]): Setting | null {
  const others = settings.filter(
    (setting) =>
      setting.codec !== best.codec &&
      setting.savedShare >= WORTHWHILE_SHARE &&
      setting.decompressNsPerUnit !== null &&
      nsPerByte(setting) <= nsPerByte(best) * QUICKER_SHARE,
  );
  return others.length === 0 ? null : least(others);
}

function adviceText(best: Setting, worthwhile: boolean): string {
  if (worthwhile)
    return `${keepsText(best)}: saves ${bytesText(best.savedBytes)} (${percentText(best.savedShare)})`;
  const [whole, held] = [bytesText(best.inputBytes), bytesText(best.heldBytes)];
  return `keep it uncompressed: the best of these settings, ${settingText(best)}, would hold ${whole} in ${held}`;
}

function quickerText(quicker: Setting, best: Setting): string {
  const times = nsPerByte(best) / nsPerByte(quicker);
  return `${keepsText(quicker)}, and gives it back ${times.toFixed(times < 9.5 ? 1 : 0)} times as fast`;
}

function keepsText(setting: Setting): string {
  const { inputBytes, heldBytes, ratio } = setting;
  if (ratio === null) return `${settingText(setting)} keeps ${bytesText(inputBytes)} in no memory at all`;
  return `${settingText(setting)} keeps ${bytesText(inputBytes)} in ${bytesText(heldBytes)} (${ratioText(ratio)})`;
}

/** The call that makes such a pool, and what to put into it. */
export function settingText({ driver, pageSize, maxPages, codec, unit }: Setting): string {
  const call = `createZpool("${driver}", { pageSize: ${pageSize}, maxPages: ${maxPages} })`;
  return `${call} with ${codec} and ${bytesText(unit)} units`;
}
