import { bytesText, ZbudError } from "../base/index.ts";
import { getCodec } from "../codecs/index.ts";
import { advise, bestForStore } from "./advice.ts";
import { CompressedUnits } from "./compress.ts";
import type { EstimateInput } from "./input.ts";
import { type EstimateOptions, readOptions, type Settings } from "./options.ts";
import { Pace } from "./pace.ts";
import { type PoolFill, type PoolKind, Pools } from "./pack.ts";
import type { Part } from "./part.ts";
import { counted, openReader, type Reader } from "./reader.ts";
import { UnitScan } from "./scan.ts";
import { tryStore } from "./store.ts";
import { type CodecTotals, UnitTotals } from "./totals.ts";
import type { Estimate, UnitEstimate } from "./types.ts";

/** What the steps take in proportion, for the progress bar. */
const WEIGHT = { read: 1, compress: 9, fit: 1, pack: 1, store: 6 };

/**
 * Says what keeping an input in compressed memory would save, and with which settings.
 *
 * Reads an even, seeded sample of the input; compresses it unit by unit with each codec; stores the results
 * in a real pool of each driver, reads them back, decompresses and compares them. How things are counted is
 * told at {@link Estimate}.
 *
 * @returns one plain object with all figures.
 * @throws {ZbudError} `EINVAL`, `ENOENT`, `EACCES` or `ENOTSUP` for options or input that cannot be used (the
 *   promise is rejected); `ECORRUPT` if bytes came back different. The signal's reason, when it was aborted.
 * @remarks Holds a part of the sample, its compressed form and some pools: for samples above 64 MiB some
 *   hundred MiB whatever their size (see PART_BYTES_MAX). Gives the thread away every 40 ms.
 */
export async function estimate(input: EstimateInput, options: EstimateOptions = {}): Promise<Estimate> {
  return await estimateInParts(input, readOptions(options));
}

/** The same with settings that were already read; a test gives small parts. */
export async function estimateInParts(input: EstimateInput, settings: Settings): Promise<Estimate> {
  const pace = new Pace(settings.signal, settings.onProgress);
  pace.step(0, "looking for what to read");
  const reader = await openReader(input, settings, pace);
  const pools = new Pools(reader.parts === 1 ? 0 : reader.part.bytes.length, settings.clock, settings.seed);
  try {
    return await estimateFrom(reader, pools, settings, pace);
  } finally {
    pools.close();
    reader.close();
  }
}

async function estimateFrom(reader: Reader, pools: Pools, settings: Settings, pace: Pace): Promise<Estimate> {
  const tallies = settings.units.map((unit) => new UnitTotals(unit, settings.codecs));
  const run: Run = { part: reader.part, compressed: new CompressedUnits(reader.part), pools, settings, pace };
  let sampleBytes = 0;
  let parts = 0;
  let slots = 0;
  for (;;) {
    const partName =
      reader.parts === 1 ? "" : `part ${parts + 1}${reader.parts > 0 ? ` of ${reader.parts}` : ""}: `;
    if (reader.parts === 0 || parts === 0)
      pace.plan(weightOfPart(settings) * Math.max(1, reader.parts) + WEIGHT.store);
    pace.step(WEIGHT.read, `${partName}reading`);
    if (!(await reader.fill(pace))) break;
    parts += 1;
    slots = reader.part.slots;
    sampleBytes += reader.part.inputBytes;
    for (const totals of tallies) await measureUnit(run, totals, partName);
  }
  settings.signal?.throwIfAborted();
  if (sampleBytes === 0) throw new ZbudError("ENOENT", nothingRead(reader));
  const units = tallies.map((totals) => totals.estimate());
  const summary = reader.summary();
  // A reader that found nothing more left the bytes of the last part where they are.
  reader.part.slots = slots;
  const candidate = bestForStore(units, summary, sampleBytes);
  pace.step(WEIGHT.store, "trying a page store");
  const store = candidate === null ? null : await tryStore(reader.part, { ...candidate, sampleBytes }, pace);
  const { sampleBytes: limit, seed } = settings;
  const share = sampleBytes / summary.bytes;
  return {
    schema: "zbud-estimate/1",
    input: { ...summary, notes: [...summary.notes, ...(limit < summary.bytes ? sampleNotes(units) : [])] },
    sample: { bytes: sampleBytes, share, limitBytes: Number.isFinite(limit) ? limit : null, seed, parts },
    units,
    advice: { ...advise(units, summary, sampleBytes), store },
  };
}

/** Fewer units than this say little about an input of which they are only a part. */
const UNITS_ENOUGH = 500;

function sampleNotes(units: readonly UnitEstimate[]): string[] {
  const least = units.reduce((a, b) => (b.units < a.units ? b : a));
  if (least.units >= UNITS_ENOUGH) return [];
  const [count, size] = [counted(least.units, "unit"), bytesText(least.unit)];
  return [`Only ${count} of ${size} read, which says little of the whole: take more with --sample.`];
}

function nothingRead(reader: Reader): string {
  const { label, process } = reader.summary();
  return process === null
    ? `nothing could be read of ${label}: it went away, or the system gives none of its bytes`
    : `process ${process.pid} ended before any of its memory was read: start it again, and estimate while it runs`;
}

function weightOfPart({ units, codecs, drivers }: Settings): number {
  const fitted = drivers.filter((driver) => FITTED.includes(driver)).length;
  const pools = drivers.length + fitted;
  const codec = WEIGHT.compress + WEIGHT.fit + WEIGHT.pack * pools;
  return WEIGHT.read + units.length * codecs.length * codec;
}

/** What all steps of one estimate share. */
interface Run {
  part: Part;
  compressed: CompressedUnits;
  pools: Pools;
  settings: Settings;
  pace: Pace;
}

async function measureUnit(run: Run, totals: UnitTotals, partName: string): Promise<void> {
  const unitText = `${partName}${bytesText(totals.unit)} units`;
  const scan = new UnitScan(run.part, totals.unit, totals.seen);
  for (const codecTotals of totals.codecs) await measureCodec(run, codecTotals, scan, unitText);
  totals.add(scan);
}

async function measureCodec(run: Run, totals: CodecTotals, scan: UnitScan, unitText: string): Promise<void> {
  const { compressed, settings, pace } = run;
  const codec = getCodec(totals.codec);
  const doing = `${unitText}: ${codec.name}`;
  compressed.begin(scan);
  await withPool(run, totals, plainKind(settings.drivers[0], totals.unit), async (fill) => {
    pace.step(WEIGHT.compress, `${doing}, compressing`);
    if (!totals.warm) compressed.warmUp(codec);
    totals.warm = true;
    // The first pool is filled on the way: the bytes are still in the caches.
    await compressed.fill(codec, settings.clock, pace, (first, last) => fill.store(first, last));
    pace.step(WEIGHT.pack, `${doing}, checking`);
  });
  totals.add(compressed);
  for (const kind of otherPools(run, totals)) {
    pace.step(WEIGHT.pack, `${doing}, storing in ${kind.driver}`);
    await withPool(run, totals, kind, (fill) => fill.storeAll(pace));
  }
}

/** Takes a pool, has it filled, checks what it holds, and adds its figures. */
async function withPool(
  run: Run,
  totals: CodecTotals,
  kind: PoolKind,
  store: (fill: PoolFill) => Promise<void>,
): Promise<void> {
  const maxUnits = run.part.bytes.length / totals.unit;
  const fill = run.pools.take(kind, maxUnits, run.compressed, totals.codec);
  try {
    await store(fill);
    const pool = totals.pool(kind);
    pool.add(await fill.finish(run.pace, pool.wantsHalf));
  } finally {
    fill.close();
  }
}

function plainKind(driver: string, pageSize: number): PoolKind {
  return { driver, pageSize, pageSizes: null };
}

/** Drivers that get a pool whose page size, or sizes, fit the data. */
const FITTED: readonly string[] = ["zbud", "size-classes"];

/**
 * All pools but the first: one for each other driver, zbud with the page size that fits the data too, and size
 * classes with those that fit.
 */
function* otherPools(run: Run, totals: CodecTotals): Generator<PoolKind> {
  const { compressed, settings, pace } = run;
  for (const driver of settings.drivers) {
    if (driver !== settings.drivers[0] && driver !== "size-classes") yield plainKind(driver, totals.unit);
    if (!FITTED.includes(driver)) continue;
    pace.step(WEIGHT.fit, `${bytesText(totals.unit)} units: ${totals.codec}, looking for the best page size`);
    if (totals.fit === null) totals.chooseFit(compressed);
    const { fit, pageSizes } = totals;
    if (driver === "zbud") {
      if (fit !== null && fit.pageSize !== totals.unit) yield plainKind(driver, fit.pageSize);
    } else if (pageSizes !== null) {
      yield {
        driver,
        pageSize: Math.max(...pageSizes.map(({ pageSize }) => pageSize)),
        pageSizes: pageSizes,
      };
    }
  }
}
