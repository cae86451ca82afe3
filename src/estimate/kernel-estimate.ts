import { checkNames, type Size } from "../base/index.ts";
import { trainingSteps } from "../codecs/index.ts";
import { CompressedUnits } from "./compress.ts";
import { DedupIndex } from "./dedup-index.ts";
import { nothingRead, summaryOfSample } from "./estimate.ts";
import type { EstimateInput } from "./input.ts";
import { adviseKernel } from "./kernel-advice.ts";
import { DICTIONARY_BYTES, dictionaryCodec, kernelCodecs, NOT_MEASURED } from "./kernel-codecs.ts";
import { type KernelMachine, type MachineHost, readCgroup, readMachine } from "./kernel-machine.ts";
import { KERNEL_PAGE, KernelZsmalloc } from "./kernel-pages.ts";
import { KernelTotals, recompressionOf } from "./kernel-totals.ts";
import type { KernelEstimate } from "./kernel-types.ts";
import { openReader } from "./open-reader.ts";
import { type Goal, readOptions, type Settings, type StopSignal } from "./options.ts";
import { Progress } from "./progress.ts";
import type { Reader } from "./reader.ts";
import { UnitScan } from "./scan.ts";

/** Pages that a dictionary is trained from, at most, and not tried with. */
const TRAINING_PAGES = 512;
/** Of fewer pages, those that are one word repeated left out, no dictionary is learned. */
export const DICTIONARY_PAGES_MIN = 128;
const TRAIN_WEIGHT = 8;

/** How to estimate for the kernel: codecs, drivers and units are the kernel's; all else is as of an estimate. */
export interface KernelEstimateOptions {
  /** How many bytes to read, about, or `"all"`; default `"64MiB"`. */
  sampleBytes?: Size | "all";
  /** Chooses which pages are read; default 1. */
  seed?: number;
  /** What the advice is for; default `"balance"`. */
  for?: Goal;
  /** Where the caller puts the dictionary, as a path without spaces from `/` on: then it may be advised. */
  dictionaryFile?: string;
  /** Gets the dictionary, once; not called if the pages are too few to learn one from. */
  onDictionary?: (dictionary: Uint8Array) => void;
  /** Stops the work: the promise is then rejected with the signal's reason. */
  signal?: StopSignal;
  /** Called now and then with the share of the work that is done, from 0 to 1, and what is being done. */
  onProgress?: (share: number, doing: string) => void;
  /** Milliseconds; for the time that compressing takes. Default `performance.now`. */
  clock?: () => number;
  /** For tests: where the machine's files are. */
  machineHost?: MachineHost;
}

const NAMES = [
  "sampleBytes",
  "seed",
  "for",
  "dictionaryFile",
  "onDictionary",
  "signal",
  "onProgress",
  "clock",
  "machineHost",
];

/**
 * Says what zram and zswap would save for an input, which to choose, and with which settings.
 *
 * Reads an even, seeded sample; compresses it page by page with the codecs of the kernel that there are here, and packs
 * the sizes as the kernel's zsmalloc does; reads what the machine has now.
 *
 * @throws {ZbudError} what `estimate` throws (the promise is rejected).
 */
export async function estimateKernel(
  input: EstimateInput,
  options: KernelEstimateOptions = {},
): Promise<KernelEstimate> {
  checkNames("a kernel estimate", options, NAMES);
  const { machineHost, dictionaryFile = null, onDictionary = () => {}, ...rest } = options;
  const settings = readOptions({ ...rest, units: [KERNEL_PAGE] });
  const progress = new Progress(settings.signal, settings.onProgress);
  progress.step(0, "looking for what to read");
  const machine = readMachine(machineHost);
  const reader = await openReader(input, settings, progress);
  try {
    return await estimateFrom(reader, { machine, dictionaryFile, onDictionary }, settings, progress);
  } finally {
    reader.close();
  }
}

/** The machine, and where the dictionary goes. */
interface Around {
  machine: KernelMachine;
  dictionaryFile: string | null;
  onDictionary: (dictionary: Uint8Array) => void;
}

async function estimateFrom(
  reader: Reader,
  { machine: found, dictionaryFile, onDictionary }: Around,
  settings: Settings,
  progress: Progress,
): Promise<KernelEstimate> {
  const totals = kernelCodecs().map((codec) => new KernelTotals(codec));
  const compressed = new CompressedUnits(reader.batch);
  let [pages, samePages, sampleBytes, batches] = [0, 0, 0, 0];
  for (;;) {
    if (batches === 0) progress.plan((1 + 2 * totals.length) * Math.max(1, reader.batches) + TRAIN_WEIGHT);
    progress.step(1, "reading");
    if (!(await reader.fill(progress))) break;
    batches += 1;
    sampleBytes += reader.batch.inputBytes;
    const scan = new UnitScan(reader.batch, KERNEL_PAGE, new DedupIndex());
    while (scan.next()) if (progress.shouldYield) await progress.yieldThread(0);
    pages += scan.units;
    samePages += scan.sameFilled;
    if (batches === 1) {
      const trained = await trainOn(scan, reader, progress);
      if (trained !== null) {
        onDictionary(trained.dictionary);
        totals.push(new KernelTotals(dictionaryCodec(trained.dictionary), trained.pages));
      }
    }
    for (const each of totals) await measure(each, compressed, scan, settings, progress);
  }
  settings.signal?.throwIfAborted();
  if (sampleBytes === 0) throw nothingRead(reader);
  const summary = reader.summary();
  const { group } = summary;
  const machine = { ...found, cgroup: group?.scope === "cgroup" ? readCgroup(group.name) : null };
  const zsmalloc = new KernelZsmalloc(machine.groupPages);
  const scale = summary.bytes / sampleBytes;
  const codecs = totals
    .filter(({ measured }) => measured > 0 || pages === samePages)
    .map((each) => each.estimate(zsmalloc, machine, { pages, samePages, scale }));
  const figures = {
    pages: Math.round(pages * scale),
    samePages: Math.round(samePages * scale),
    codecs,
    machine,
    dictionaryFile,
    recompression: recompressionOf(totals, codecs, zsmalloc, scale, machine),
  };
  return {
    schema: "zbud-kernel/1",
    input: summary,
    sample: summaryOfSample(settings, summary, sampleBytes, batches),
    hugeAbove: zsmalloc.hugeAbove,
    ...figures,
    notMeasured: NOT_MEASURED,
    advice: adviseKernel(figures, summary, settings.goal),
  };
}

/** Compresses the pages of a batch that a codec is to be tried with, and checks them. */
async function measure(
  totals: KernelTotals,
  compressed: CompressedUnits,
  scan: UnitScan,
  { clock }: Settings,
  progress: Progress,
): Promise<void> {
  const { codec } = totals;
  progress.step(2, `${totals.text}, compressing`);
  const some = totals.choose(scan);
  if (some.count === 0) return;
  compressed.begin(some, totals.measured === 0);
  if (totals.measured === 0) compressed.warmUp(codec.codec);
  await compressed.fill(codec.codec, clock, progress, () => {});
  totals.add(compressed);
}

/** A dictionary of what the pages share, from every so manieth; null of too few pages, or if they share nothing. */
async function trainOn(
  scan: UnitScan,
  reader: Reader,
  progress: Progress,
): Promise<{ dictionary: Uint8Array; pages: Set<number> } | null> {
  progress.step(TRAIN_WEIGHT, "learning a dictionary");
  if (scan.count < DICTIONARY_PAGES_MIN) return null;
  const wanted = Math.min(TRAINING_PAGES, scan.count >> 1);
  const views = reader.batch.unitViews(KERNEL_PAGE);
  const offsets = Array.from(
    { length: wanted },
    (_, i) => scan.offsets[Math.floor((i * scan.count) / wanted)],
  );
  const steps = trainingSteps(
    offsets.map((offset) => views[offset / KERNEL_PAGE]),
    DICTIONARY_BYTES,
  );
  for (let count = 0; ; count++) {
    const step = steps.next();
    if (step.done) return { dictionary: step.value, pages: new Set(offsets) };
    if (progress.shouldYield) await progress.yieldThread(Math.min(0.9, count / 30_000));
  }
}
