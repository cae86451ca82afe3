import { bytesText, ZbudError } from "../base/index.ts";
import { getCodec } from "../codecs/index.ts";
import { advise, bestForStore } from "./advice.ts";
import type { SampleBatch } from "./batch.ts";
import { CompressedUnits } from "./compress.ts";
import type { EstimateInput } from "./input.ts";
import { openReader } from "./open-reader.ts";
import { type EstimateOptions, readOptions, type Settings } from "./options.ts";
import { type PoolFill, type PoolKind, Pools } from "./pack.ts";
import { Progress } from "./progress.ts";
import { counted, type Reader } from "./reader.ts";
import { UnitScan } from "./scan.ts";
import { tryStore } from "./store-estimate.ts";
import { type CodecTotals, UnitTotals } from "./totals.ts";
import type { Estimate, InputSummary, SampleSummary, UnitEstimate } from "./types.ts";

/** What the steps take in proportion, for the progress bar. */
const WEIGHT = { read: 1, compress: 9, fit: 1, pack: 1, store: 6 };

/**
 * Says what keeping an input in compressed memory would save, and with which settings.
 *
 * Reads an even, seeded sample of the input; compresses it unit by unit with each codec; stores the results
 * in a real pool of each driver, reads them back, decompresses and compares them. Of a sample of several batches (of 32
 * MiB or more) that is so for the first; of the others the pools make room only, and each eighth unit is decompressed
 * and compared. How things are counted is told at {@link Estimate}.
 *
 * @returns one plain object with all figures.
 * @throws {ZbudError} `EINVAL`, `ENOENT`, `EACCES` or `ENOTSUP` for options or input that cannot be used (the
 *   promise is rejected); `ECORRUPT` if bytes came back different. The signal's reason, when it was aborted.
 * @remarks Holds a batch of the sample, its compressed form and some pools: for samples above 64 MiB some
 *   hundred MiB whatever their size (see BATCH_BYTES_MAX). Gives the thread away every 40 ms.
 */
export async function estimate(input: EstimateInput, options: EstimateOptions = {}): Promise<Estimate> {
  return await estimateInBatches(input, readOptions(options));
}

/** The same with settings that were already read; a test gives small batches. */
export async function estimateInBatches(input: EstimateInput, settings: Settings): Promise<Estimate> {
  const progress = new Progress(settings.signal, settings.onProgress);
  progress.step(0, "looking for what to read");
  const reader = await openReader(input, settings, progress);
  const pools = new Pools(
    reader.batches === 1 ? 0 : reader.batch.bytes.length,
    settings.clock,
    settings.seed,
  );
  try {
    return await estimateFrom(reader, pools, settings, progress);
  } finally {
    pools.close();
    reader.close();
  }
}

async function estimateFrom(
  reader: Reader,
  pools: Pools,
  settings: Settings,
  progress: Progress,
): Promise<Estimate> {
  const unitTotals = settings.units.map((unit) => new UnitTotals(unit, settings.codecs));
  const run: Run = {
    batch: reader.batch,
    isFirst: true,
    compressed: new CompressedUnits(reader.batch),
    pools,
    settings,
    progress,
  };
  let sampleBytes = 0;
  let batches = 0;
  let slots = 0;
  for (;;) {
    const batchName =
      reader.batches === 1
        ? ""
        : `batch ${batches + 1}${reader.batches > 0 ? ` of ${reader.batches}` : ""}: `;
    if (reader.batches === 0 || batches === 0)
      progress.plan(weightOfBatch(settings) * Math.max(1, reader.batches) + WEIGHT.store);
    progress.step(WEIGHT.read, `${batchName}reading`);
    if (!(await reader.fill(progress))) break;
    batches += 1;
    slots = reader.batch.slots;
    sampleBytes += reader.batch.inputBytes;
    run.isFirst = batches === 1;
    for (const totals of unitTotals) await measureUnit(run, totals, batchName);
  }
  settings.signal?.throwIfAborted();
  if (sampleBytes === 0) throw nothingRead(reader);
  const units = unitTotals.map((totals) => totals.estimate());
  const summary = reader.summary();
  // A reader that found nothing more left the bytes of the last batch where they are.
  reader.batch.slots = slots;
  const advice = advise(units, summary, sampleBytes, settings.goal);
  const choice = bestForStore(units, summary, sampleBytes, settings.goal);
  progress.step(WEIGHT.store, "trying a page store");
  const store = choice === null ? null : await tryStore(reader.batch, sampleBytes, choice, progress);
  const { sampleBytes: limit } = settings;
  return {
    schema: "zbud-estimate/2",
    input: { ...summary, notes: [...summary.notes, ...(limit < summary.bytes ? sampleNotes(units) : [])] },
    sample: summaryOfSample(settings, summary, sampleBytes, batches),
    units,
    advice: { ...advice, store },
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

/** The error for an input that was there and gave no byte. */
export function nothingRead(reader: Reader): ZbudError {
  const { label, process } = reader.summary();
  return new ZbudError(
    "ENOENT",
    process === null
      ? `nothing could be read of ${label}: it went away, or the system gives none of its bytes`
      : `process ${process.pid} ended before any of its memory was read: start it again, and estimate while it runs`,
  );
}

/** What of the input was read. */
export function summaryOfSample(
  { sampleBytes: limit, seed }: Settings,
  { bytes }: InputSummary,
  read: number,
  batches: number,
): SampleSummary {
  return {
    bytes: read,
    share: read / bytes,
    limitBytes: Number.isFinite(limit) ? limit : null,
    seed,
    batches,
  };
}

function weightOfBatch({ units, codecs, drivers }: Settings): number {
  const fitted = drivers.filter((driver) => FITTED.includes(driver)).length;
  const pools = drivers.length + fitted;
  const codec = WEIGHT.compress + WEIGHT.fit + WEIGHT.pack * pools;
  return WEIGHT.read + units.length * codecs.length * codec;
}

/** What all steps of one estimate share. */
interface Run {
  batch: SampleBatch;
  /** Whether it holds the first of the sample, of which all is checked. */
  isFirst: boolean;
  compressed: CompressedUnits;
  pools: Pools;
  settings: Settings;
  progress: Progress;
}

async function measureUnit(run: Run, totals: UnitTotals, batchName: string): Promise<void> {
  const unitText = `${batchName}${bytesText(totals.unit)} units`;
  const scan = new UnitScan(run.batch, totals.unit, totals.seen);
  for (const codecTotals of totals.codecs) await measureCodec(run, codecTotals, scan, unitText);
  totals.add(scan);
}

async function measureCodec(run: Run, totals: CodecTotals, scan: UnitScan, unitText: string): Promise<void> {
  const { compressed, settings, progress } = run;
  const codec = getCodec(totals.codec);
  const doing = `${unitText}: ${codec.name}`;
  compressed.begin(scan, run.isFirst);
  await withPool(run, totals, plainKind(settings.drivers[0], totals.unit), async (fill) => {
    progress.step(WEIGHT.compress, `${doing}, compressing`);
    if (!totals.warm) compressed.warmUp(codec);
    totals.warm = true;
    // The first pool is filled on the way: the bytes are still in the caches.
    await compressed.fill(codec, settings.clock, progress, (first, last) => fill.store(first, last));
    progress.step(WEIGHT.pack, `${doing}, checking`);
  });
  totals.add(compressed);
  for (const kind of otherPools(run, totals)) {
    progress.step(WEIGHT.pack, `${doing}, storing in ${kind.driver}`);
    await withPool(run, totals, kind, (fill) => fill.storeAll(progress));
  }
}

/** Takes a pool, has it filled, checks what it holds, and adds its figures. */
async function withPool(
  run: Run,
  totals: CodecTotals,
  kind: PoolKind,
  store: (fill: PoolFill) => Promise<void>,
): Promise<void> {
  const maxUnits = run.batch.bytes.length / totals.unit;
  const fill = run.pools.take(kind, maxUnits, run.compressed, totals.codec, run.isFirst);
  try {
    await store(fill);
    const pool = totals.pool(kind);
    pool.add(await fill.finish(run.progress, pool.wantsHalf));
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
  const { compressed, settings, progress } = run;
  for (const driver of settings.drivers) {
    if (driver !== settings.drivers[0] && driver !== "size-classes") yield plainKind(driver, totals.unit);
    if (!FITTED.includes(driver)) continue;
    progress.step(
      WEIGHT.fit,
      `${bytesText(totals.unit)} units: ${totals.codec}, looking for the best page size`,
    );
    totals.chooseFit(driver, compressed);
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
