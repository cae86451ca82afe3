import { bytesText, show, ZbudError } from "../base/index.ts";
import { SampleBatch } from "./batch.ts";
import { type Settings, STREAM_SAMPLE_MAX, type StopSignal } from "./options.ts";
import type { Progress } from "./progress.ts";
import type { Reader } from "./reader.ts";
import { Reservoir } from "./sampling.ts";
import type { InputSummary } from "./types.ts";

/** A slot that is passed over: its bytes are counted and dropped. */
const PASS = -1;

/**
 * Reads bytes that come in some order and end at some time. Of a sample, all is seen and an even choice kept;
 * with all of it wanted, batch after batch in the order in which they come.
 */
export class StreamReader implements Reader {
  readonly batch: SampleBatch;
  readonly batches: number;
  readonly #stream: AsyncIterable<Uint8Array>;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #label: string;
  readonly #reservoir: Reservoir | null;
  readonly #signal: StopSignal | null;
  /** Whether more was asked for than can be kept. */
  readonly #limited: boolean;
  #chunk: Uint8Array = new Uint8Array(0);
  #bytes = 0;
  #ended = false;

  constructor(stream: AsyncIterable<Uint8Array>, label: string, settings: Settings) {
    const { sampleBytes, batchBytes, maxUnit, seed } = settings;
    this.#stream = stream;
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#label = label;
    this.#signal = settings.signal;
    const sampled = Number.isFinite(sampleBytes);
    this.#limited = sampled && sampleBytes > STREAM_SAMPLE_MAX;
    // There is no choosing batch by batch: whatever is kept must lie somewhere until the end.
    const slots = (sampled ? Math.min(sampleBytes, STREAM_SAMPLE_MAX) : batchBytes) / maxUnit;
    this.#reservoir = sampled ? new Reservoir(slots, seed) : null;
    this.batches = this.#reservoir ? 1 : 0;
    this.batch = new SampleBatch(slots, maxUnit);
  }

  async fill(progress: Progress): Promise<boolean> {
    const batch = this.batch;
    batch.slots = 0;
    while (!this.#ended && (this.#reservoir !== null || batch.slots < batch.maxSlots)) {
      const slot = this.#reservoir?.next() ?? batch.slots;
      const position = this.#bytes;
      const length = await this.#takeSpan(slot, progress);
      if (length > 0 && slot !== PASS) batch.setSlot(slot, length, position);
    }
    if (this.#bytes === 0) throw new ZbudError("EINVAL", `${this.#label} gave no bytes: pipe something in`);
    return batch.slots > 0;
  }

  /** Takes the next span's bytes off the stream, into a slot or to nowhere. */
  async #takeSpan(slot: number, progress: Progress): Promise<number> {
    const { bytes, spanBytes } = this.batch;
    let length = 0;
    while (length < spanBytes) {
      if (this.#chunk.length === 0 && !(await this.#nextChunk(progress))) break;
      const taken = Math.min(spanBytes - length, this.#chunk.length);
      if (slot !== PASS) bytes.set(this.#chunk.subarray(0, taken), slot * spanBytes + length);
      this.#chunk = this.#chunk.subarray(taken);
      length += taken;
    }
    this.#bytes += length;
    return length;
  }

  async #nextChunk(progress: Progress): Promise<boolean> {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await this.#nextOrAbort();
    } catch (error) {
      // A stream that was told to stop fails in its own way; the reason is the signal's.
      this.#signal?.throwIfAborted();
      throw failed(this.#label, error);
    }
    if (next.done) {
      this.#ended = true;
      return false;
    }
    if (!(next.value instanceof Uint8Array)) {
      throw new ZbudError(
        "EINVAL",
        `${this.#label} gave ${show(next.value)} instead of bytes (Uint8Array): read it without an encoding`,
      );
    }
    this.#chunk = next.value;
    if (progress.shouldYield) await progress.yieldThread(0);
    return true;
  }

  /** The next chunk; a stream that gives nothing for long can still be left. */
  #nextOrAbort(): Promise<IteratorResult<Uint8Array>> {
    const signal = this.#signal;
    if (signal === null) return this.#chunks.next();
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const aborted = (): void => reject(new Error("aborted"));
      signal.addEventListener("abort", aborted);
      const settled = (): void => signal.removeEventListener("abort", aborted);
      this.#chunks.next().then(
        (next) => {
          settled();
          resolve(next);
        },
        (error) => {
          settled();
          reject(error);
        },
      );
    });
  }

  summary(): InputSummary {
    const notes: string[] = [];
    if (this.#limited && this.#bytes > STREAM_SAMPLE_MAX) {
      notes.push(
        `Of a stream at most ${bytesText(STREAM_SAMPLE_MAX)} are kept: a file can be sampled further, and "all" read whole.`,
      );
    }
    return {
      label: this.#label,
      bytes: this.#bytes,
      files: 0,
      folders: 0,
      process: null,
      group: null,
      cold: null,
      incomplete: false,
      skipped: { symlinks: 0, special: 0, unreadable: 0, empty: 0 },
      notes,
    };
  }

  close(): void {
    if (this.#ended) return;
    // A stream that is not at its end would hold the process; nobody waits for it to say that it stopped. An
    // iterator whose `next` is under way returns only after that: a Node stream has a way of its own.
    const { destroy } = this.#stream as { destroy?: () => void };
    if (typeof destroy === "function") destroy.call(this.#stream);
    this.#chunks.return?.().catch(() => {});
  }
}

function failed(label: string, cause: unknown): ZbudError {
  return new ZbudError("EINVAL", `${label} failed: ${cause instanceof Error ? cause.message : cause}`, {
    cause,
  });
}
