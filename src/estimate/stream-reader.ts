import { ZbudError } from "../base/index.ts";
import type { Settings } from "./options.ts";
import type { Pace } from "./pace.ts";
import { Part } from "./part.ts";
import type { Reader } from "./reader.ts";
import { Reservoir } from "./sampling.ts";
import type { InputSummary } from "./types.ts";

/** A slot that is passed over: its bytes are counted and dropped. */
const PASS = -1;

/**
 * Reads bytes that come in some order and end at some time. Of a sample, all is seen and an even choice kept;
 * with all of it wanted, part after part in the order in which they come.
 */
export class StreamReader implements Reader {
  readonly part: Part;
  readonly parts: number;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #label: string;
  readonly #reservoir: Reservoir | null;
  readonly #signal: AbortSignal | null;
  #chunk: Uint8Array = new Uint8Array(0);
  #bytes = 0;
  #ended = false;

  constructor(stream: AsyncIterable<Uint8Array>, label: string, settings: Settings) {
    const { sampleBytes, partBytes, unitMax, seed } = settings;
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#label = label;
    this.#signal = settings.signal;
    // Beyond one part's memory there is no choosing: whatever is kept must lie somewhere until the end.
    const slots = Math.min(sampleBytes, partBytes) / unitMax;
    this.#reservoir = Number.isFinite(sampleBytes) ? new Reservoir(slots, seed) : null;
    this.parts = this.#reservoir ? 1 : 0;
    this.part = new Part(slots, unitMax);
  }

  async fill(pace: Pace): Promise<boolean> {
    const part = this.part;
    part.slots = 0;
    while (!this.#ended && (this.#reservoir !== null || part.slots < part.slotsMax)) {
      const slot = this.#reservoir?.next() ?? part.slots;
      const position = this.#bytes;
      const length = await this.#takeSpan(slot, pace);
      if (length > 0 && slot !== PASS) part.settle(slot, length, position);
    }
    if (this.#bytes === 0) throw new ZbudError("EINVAL", `${this.#label} gave no bytes: pipe something in`);
    return part.slots > 0;
  }

  /** Takes the next span's bytes off the stream, into a slot or to nowhere. */
  async #takeSpan(slot: number, pace: Pace): Promise<number> {
    const { bytes, spanBytes } = this.part;
    let length = 0;
    while (length < spanBytes) {
      if (this.#chunk.length === 0 && !(await this.#nextChunk(pace))) break;
      const taken = Math.min(spanBytes - length, this.#chunk.length);
      if (slot !== PASS) bytes.set(this.#chunk.subarray(0, taken), slot * spanBytes + length);
      this.#chunk = this.#chunk.subarray(taken);
      length += taken;
    }
    this.#bytes += length;
    return length;
  }

  async #nextChunk(pace: Pace): Promise<boolean> {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await this.#chunks.next();
    } catch (error) {
      // A stream that was told to stop fails in its own way; the reason is the signal's.
      this.#signal?.throwIfAborted();
      throw failed(this.#label, error);
    }
    if (next.done) {
      this.#ended = true;
      return false;
    }
    this.#chunk = next.value;
    if (pace.due) await pace.rest(0);
    return true;
  }

  summary(): InputSummary {
    return {
      label: this.#label,
      bytes: this.#bytes,
      files: 0,
      folders: 0,
      process: null,
      skipped: { symlinks: 0, special: 0, unreadable: 0, empty: 0 },
      notes: [],
    };
  }

  close(): void {
    // A stream that is not at its end would hold the process; nobody waits for it to say that it stopped.
    if (!this.#ended) void this.#chunks.return?.();
  }
}

function failed(label: string, cause: unknown): ZbudError {
  return new ZbudError("EINVAL", `${label} failed: ${cause instanceof Error ? cause.message : cause}`, {
    cause,
  });
}
