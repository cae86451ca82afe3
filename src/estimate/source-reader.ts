import { bytesText, countText, percentText } from "../base/index.ts";
import { SampleBatch } from "./batch.ts";
import type { ByteSource, FileListing } from "./files.ts";
import type { Settings } from "./options.ts";
import { othersRemedy } from "./process-errors.ts";
import type { ProcessGroup } from "./process-group.ts";
import type { ProcessMemory } from "./process-memory.ts";
import type { Progress } from "./progress.ts";
import { counted, type Reader } from "./reader.ts";
import { chooseSpans, spansPerBatch } from "./sampling.ts";
import type { ColdSummary, InputSummary } from "./types.ts";

/** The most one read asks for: a turn of the thread should not get much longer. */
const READ_BYTES = 4 << 20;
/** Memory that is filled with padding and data together may be so many times the bytes wanted. */
const PADDED_MAX = 64;

/**
 * How many spans hold the wanted bytes: a small file is a span of its own, with little in it. A bound on the
 * padding keeps folders of tiny files with large units from taking forever.
 */
function spansFor(sampleBytes: number, bytes: number, spans: number, maxUnit: number): number {
  if (sampleBytes >= bytes) return spans;
  const wanted = Math.round(sampleBytes / (bytes / spans));
  return Math.max(1, Math.min(spans, wanted, (PADDED_MAX * sampleBytes) / maxUnit));
}

/** Reads from things that know their length. */
export class SourceReader implements Reader {
  readonly batch: SampleBatch;
  readonly batches: number;
  readonly #sources: readonly ByteSource[];
  readonly #listing: FileListing | null;
  /** The one process that is read, or null. */
  readonly #memory: ProcessMemory | null;
  readonly #processes: ProcessGroup | null;
  readonly #label: string;
  readonly #settings: Settings;
  readonly #bytes: number;
  readonly #spans: number;
  readonly #spansWanted: number;
  #batchNext = 0;
  #missingBytes = 0;

  constructor(
    sources: readonly ByteSource[],
    listing: FileListing | null,
    processes: ProcessGroup | null,
    label: string,
    settings: Settings,
  ) {
    const { maxUnit, sampleBytes, batchBytes } = settings;
    this.#sources = sources;
    this.#listing = listing;
    this.#processes = processes;
    this.#memory = processes?.group === null ? processes.memories[0] : null;
    this.#label = label;
    this.#settings = settings;
    this.#bytes = sources.reduce((sum, source) => sum + source.bytes, 0);
    this.#spans = sources.reduce((sum, source) => sum + Math.ceil(source.bytes / maxUnit), 0);
    this.#spansWanted = spansFor(sampleBytes, this.#bytes, this.#spans, maxUnit);
    this.batches = Math.ceil((this.#spansWanted * maxUnit) / batchBytes);
    this.batch = new SampleBatch(
      spansPerBatch(this.#spans, this.#spansWanted, maxUnit, this.batches),
      maxUnit,
    );
  }

  async fill(progress: Progress): Promise<boolean> {
    if (this.#batchNext === this.batches) return false;
    const batch = this.batch;
    batch.slots = 0;
    const ranges = chooseSpans({
      total: this.#spans,
      wanted: this.#spansWanted,
      seed: this.#settings.seed,
      spanBytes: batch.spanBytes,
      batch: this.#batchNext,
      batches: this.batches,
    });
    this.#batchNext += 1;
    let index = 0;
    let sourceFirst = 0;
    let source = this.#sources[0];
    let sourceSpans = Math.ceil(source.bytes / batch.spanBytes);
    for (const { first, count } of ranges) {
      for (let span = first; span < first + count; ) {
        while (span >= sourceFirst + sourceSpans) {
          source.close();
          sourceFirst += sourceSpans;
          index += 1;
          source = this.#sources[index];
          sourceSpans = Math.ceil(source.bytes / batch.spanBytes);
        }
        const inSource = span - sourceFirst;
        const most = Math.max(1, Math.floor(READ_BYTES / batch.spanBytes));
        const spans = Math.min(first + count - span, sourceSpans - inSource, most);
        this.#readSpans(source, inSource, spans, span);
        span += spans;
        if (this.#memory?.ended) return batch.slots > 0;
        if (progress.shouldYield) {
          if (this.#sources.length > 1) progress.doing(this.#readingText(index));
          await progress.yieldThread(batch.slots / batch.maxSlots);
        }
      }
    }
    if (source !== this.#memory) source.close();
    return batch.slots > 0;
  }

  #readingText(index: number): string {
    const what = index < (this.#listing?.files.length ?? 0) ? "file" : "process";
    const files = what === "file" ? 0 : (this.#listing?.files.length ?? 0);
    const of = what === "file" ? (this.#listing?.files.length ?? 0) : this.#sources.length - files;
    return `reading ${what} ${countText(index - files + 1)} of ${countText(of)}`;
  }

  /** Reads spans that lie together into the next slots; a span of which nothing is left gets none. */
  #readSpans(source: ByteSource, first: number, count: number, position: number): void {
    const batch = this.batch;
    const spanBytes = batch.spanBytes;
    const from = first * spanBytes;
    const wanted = Math.min(count * spanBytes, source.bytes - from);
    let got = source.read(batch.bytes, batch.slots * spanBytes, wanted, from);
    this.#missingBytes += wanted - got;
    for (let i = 0; got > 0; i++, got -= spanBytes) {
      batch.setSlot(batch.slots, Math.min(got, spanBytes), position + i);
    }
  }

  summary(): InputSummary {
    const skipped = this.#listing?.skipped ?? { symlinks: 0, special: 0, unreadable: 0, empty: 0 };
    return {
      label: this.#label,
      bytes: this.#bytes,
      files: this.#listing?.files.length ?? 0,
      folders: this.#listing?.folders ?? 0,
      process: this.#memory?.summary ?? null,
      group: this.#processes?.group ?? null,
      cold: this.#processes?.cold ?? null,
      incomplete: this.#missingBytes > 0 || this.#memory?.ended === true,
      skipped,
      notes: [...this.#repeatedNotes(), ...skippedNotes(skipped), ...this.#readingNotes()],
    };
  }

  #repeatedNotes(): string[] {
    const repeated = this.#listing?.repeated ?? 0;
    return repeated === 0
      ? []
      : [`Counted once: ${counted(repeated, "path")} named again, or in a named folder.`];
  }

  #readingNotes(): string[] {
    const memory = this.#memory;
    const notes: string[] = [];
    if (memory?.ended) {
      notes.push("The process ended while it was read: the figures are of what was read until then.");
    } else if (this.#missingBytes > 0) {
      notes.push(`${bytesText(this.#missingBytes)} changed or went away while they were to be read.`);
    }
    if (this.#processes !== null) notes.push(...processNotes(this.#processes));
    return notes;
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }
}

function skippedNotes(skipped: InputSummary["skipped"]): string[] {
  const texts = [
    counted(skipped.unreadable, "that could not be read", "that could not be read"),
    counted(skipped.symlinks, "symbolic link"),
    counted(skipped.special, "special file"),
    counted(skipped.empty, "empty file"),
  ].filter((text) => text !== "");
  return texts.length === 0 ? [] : [`Left out: ${texts.join(", ")}.`];
}

function processNotes({ memories, group, cold }: ProcessGroup): string[] {
  const notes = ["Not read: memory shared with other processes, and mapped files (programs, libraries)."];
  const swapped = group?.swappedBytes ?? memories[0].summary.swappedBytes;
  const whose = group === null ? "the process" : "them";
  if (swapped > 0) notes.push(`${bytesText(swapped)} of ${whose} are in swap and were not read.`);
  if (group !== null && group.unreadable > 0) {
    notes.push(
      `Left out: ${counted(group.unreadable, "process", "processes")} that this user may not read: ${othersRemedy()}.`,
    );
  }
  if (group !== null && group.sharedBytes > 0) {
    notes.push(`Counted once: ${bytesText(group.sharedBytes)} that forked processes still share.`);
  }
  if (memories.some(({ summary }) => summary.residency === "scan")) {
    notes.push(
      "This system does not say which pages are in memory: pages that hold only zeros were left out.",
    );
  }
  if (cold !== null) notes.push(coldNote(cold));
  return notes;
}

function coldNote({ method, seconds, residentBytes, coldBytes }: ColdSummary): string {
  const share = percentText(coldBytes / residentBytes);
  const text = `Cold: ${bytesText(coldBytes)} of ${bytesText(residentBytes)} (${share}) that nobody used for ${seconds} s`;
  return method === "idle pages"
    ? `${text}, by idle page tracking; parts of huge pages count as used.`
    : `${text}, by referenced bits: they say how much of each mapping is cold but not which pages, so pages were taken evenly.`;
}
