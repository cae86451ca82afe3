import { bytesText, countText, ZbudError } from "../base/index.ts";
import { type ByteSource, type FileListing, listFiles } from "./files.ts";
import { checkInput, type EstimateInput } from "./input.ts";
import type { Settings } from "./options.ts";
import type { Pace } from "./pace.ts";
import { Part } from "./part.ts";
import { openProcess, type ProcessMemory } from "./process-memory.ts";
import { chooseSpans, spansPerPart } from "./sampling.ts";
import { StreamReader } from "./stream-reader.ts";
import type { InputSummary } from "./types.ts";

/** Gives a sample of an input, part by part. */
export interface Reader {
  /** The memory for one part. */
  readonly part: Part;
  /** How many parts there will be; 0 if nobody knows. */
  readonly parts: number;
  /** Fills {@link part} anew; false when there is nothing left. */
  fill(pace: Pace): Promise<boolean>;
  /** To be asked after the last part. */
  summary(): InputSummary;
  close(): void;
}

/** The most one read asks for: a turn of the thread should not get much longer. */
const READ_BYTES = 4 << 20;
/** Memory that is filled with padding and data together may be so many times the bytes wanted. */
const PADDED_MAX = 64;

/**
 * Opens an input and plans which of it to read.
 *
 * @throws {ZbudError} what {@link checkInput}, {@link listFiles} and {@link openProcess} throw; `EINVAL` for an
 *   input that is empty.
 */
export async function openReader(input: EstimateInput, settings: Settings, pace: Pace): Promise<Reader> {
  checkInput(input);
  const { paths = [], pid, stream, bytes } = input;
  if (stream !== undefined) return new StreamReader(stream, input.label ?? "a stream", settings);
  if (bytes !== undefined) {
    return new SourceReader([bytesSource(bytes)], null, null, input.label ?? "bytes", settings);
  }
  const listing = await listFiles(paths, pace);
  const memory = pid === undefined ? null : await openProcess(pid, pace, input.processHost);
  const label = input.label ?? [...paths, ...(pid === undefined ? [] : [`process ${pid}`])].join(", ");
  if (listing.bytes === 0 && memory === null) throw emptyError(listing, label);
  const sources: ByteSource[] = memory === null ? listing.files : [...listing.files, memory];
  return new SourceReader(sources, listing, memory, label, settings);
}

function emptyError(listing: FileListing, label: string): ZbudError {
  const { empty, unreadable, special, symlinks } = listing.skipped;
  const found = [
    counted(empty, "empty file"),
    counted(unreadable, "that cannot be read", "that cannot be read"),
    counted(symlinks, "symbolic link"),
    counted(special, "special file"),
  ].filter((text) => text !== "");
  const what = found.length === 0 ? "it is empty" : `only ${found.join(", ")}`;
  return new ZbudError("EINVAL", `nothing to estimate in ${label}: ${what}`);
}

/** `3 files`; nothing for 0. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return count === 0 ? "" : `${countText(count)} ${count === 1 ? one : many}`;
}

function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    bytes: bytes.length,
    read(into, at, length, position) {
      into.set(bytes.subarray(position, position + length), at);
      return Math.min(length, bytes.length - position);
    },
    close() {},
  };
}

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
class SourceReader implements Reader {
  readonly part: Part;
  readonly parts: number;
  readonly #sources: readonly ByteSource[];
  readonly #listing: FileListing | null;
  readonly #memory: ProcessMemory | null;
  readonly #label: string;
  readonly #settings: Settings;
  readonly #bytes: number;
  readonly #spans: number;
  readonly #spansWanted: number;
  #partNext = 0;
  #lostBytes = 0;

  constructor(
    sources: readonly ByteSource[],
    listing: FileListing | null,
    memory: ProcessMemory | null,
    label: string,
    settings: Settings,
  ) {
    const { maxUnit, sampleBytes, partBytes } = settings;
    this.#sources = sources;
    this.#listing = listing;
    this.#memory = memory;
    this.#label = label;
    this.#settings = settings;
    this.#bytes = sources.reduce((sum, source) => sum + source.bytes, 0);
    this.#spans = sources.reduce((sum, source) => sum + Math.ceil(source.bytes / maxUnit), 0);
    this.#spansWanted = spansFor(sampleBytes, this.#bytes, this.#spans, maxUnit);
    this.parts = Math.ceil((this.#spansWanted * maxUnit) / partBytes);
    this.part = new Part(spansPerPart(this.#spans, this.#spansWanted, maxUnit, this.parts), maxUnit);
  }

  async fill(pace: Pace): Promise<boolean> {
    if (this.#partNext === this.parts) return false;
    const part = this.part;
    part.slots = 0;
    const ranges = chooseSpans({
      total: this.#spans,
      wanted: this.#spansWanted,
      seed: this.#settings.seed,
      spanBytes: part.spanBytes,
      part: this.#partNext,
      parts: this.parts,
    });
    this.#partNext += 1;
    let index = 0;
    let sourceFirst = 0;
    let source = this.#sources[0];
    let sourceSpans = Math.ceil(source.bytes / part.spanBytes);
    for (const { first, count } of ranges) {
      for (let span = first; span < first + count; ) {
        while (span >= sourceFirst + sourceSpans) {
          source.close();
          sourceFirst += sourceSpans;
          index += 1;
          source = this.#sources[index];
          sourceSpans = Math.ceil(source.bytes / part.spanBytes);
        }
        const inSource = span - sourceFirst;
        const most = Math.max(1, Math.floor(READ_BYTES / part.spanBytes));
        const spans = Math.min(first + count - span, sourceSpans - inSource, most);
        this.#readSpans(source, inSource, spans, span);
        span += spans;
        if (this.#memory?.ended) return part.slots > 0;
        if (pace.due) await pace.rest(part.slots / part.maxSlots);
      }
    }
    if (source !== this.#memory) source.close();
    return part.slots > 0;
  }

  /** Reads spans that lie together into the next slots; a span of which nothing is left gets none. */
  #readSpans(source: ByteSource, first: number, count: number, position: number): void {
    const part = this.part;
    const spanBytes = part.spanBytes;
    const from = first * spanBytes;
    const wanted = Math.min(count * spanBytes, source.bytes - from);
    let got = source.read(part.bytes, part.slots * spanBytes, wanted, from);
    this.#lostBytes += wanted - got;
    for (let i = 0; got > 0; i++, got -= spanBytes) {
      part.settle(part.slots, Math.min(got, spanBytes), position + i);
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
      incomplete: this.#lostBytes > 0 || this.#memory?.ended === true,
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
    } else if (this.#lostBytes > 0) {
      notes.push(`${bytesText(this.#lostBytes)} changed or went away while they were to be read.`);
    }
    if (memory !== null) {
      notes.push("Not read: memory shared with other processes, and mapped files (programs, libraries).");
    }
    const swapped = memory?.summary.swappedBytes ?? 0;
    if (swapped > 0) notes.push(`${bytesText(swapped)} of the process are in swap and were not read.`);
    if (memory?.summary.residency === "scan") {
      notes.push(
        "This system does not say which pages are in memory: pages that hold only zeros were left out.",
      );
    }
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
