import { nextTurn, pause, unlessLockBusy, type ZbudError } from "../../base/index.ts";
import { encodeRecord, recordBytes, sealRecord } from "../../record/index.ts";
import type { StoredEntry, WriteOutcome } from "../types.ts";
import type { FileState } from "./file-state.ts";
import { Fullness } from "./fullness.ts";
import {
  F_BYTES_WRITTEN,
  F_RECORDS_WRITTEN,
  F_REFUSED,
  F_WRITES_FAILED,
  R_BYTES,
  R_START,
  ROW_WORDS,
  W_CURSOR,
  W_UNITS_USED,
} from "./index-words.ts";
import { writeAll, writeAllSync } from "./io.ts";

/** Memory that records wait in until they are written; what lies in a row there and in the file goes at once. */
const CHUNK_BYTES = 256 * 1024;
/** Chunks that are kept for the next records. */
const SPARE_CHUNKS = 4;
/** Writes under way at a time: the others of the process's four I/O threads are for reads and other work. */
const WRITES_AT_A_TIME = 2;

interface Chunk {
  readonly buffer: Uint8Array;
  used: number;
  /** Jobs with bytes in here. */
  jobs: number;
}

/** One call of write(), until all its outcomes are there. */
interface Call {
  readonly outcomes: WriteOutcome[];
  left: number;
  readonly resolve: (outcomes: WriteOutcome[]) => void;
}

/** Bytes that go to one place in one write: one record, or several side by side. */
interface Job {
  readonly chunk: Chunk;
  readonly from: number;
  to: number;
  readonly position: number;
  readonly rows: number[];
  /** For each row its call, and which of the call's records it is. */
  readonly calls: Call[];
  readonly places: number[];
  /** Its time is over, its callers have their outcome, and it may still end. */
  isLost: boolean;
  /** Its write has begun. */
  isBegun: boolean;
  readonly ended: Promise<void>;
  readonly end: () => void;
}

/** Until what could not be noted, as a process is stopped within the lock, is tried again. */
const BUSY_MS = 1000;

/** The records of one thread that are on their way into the file. */
export class FileWriter {
  readonly #state: FileState;
  readonly #queue: Job[] = [];
  readonly #jobs: Set<Job> = new Set();
  /** By row the job that has its bytes. */
  readonly #byRow: Map<number, Job> = new Map();
  readonly #spare: Chunk[] = [];
  #chunk: Chunk | null = null;
  /** The last job, while more can join it. */
  #open: Job | null = null;
  #active = 0;
  #lost = 0;
  #isScheduled = false;
  readonly #fullness: Fullness = new Fullness();
  #bytesInFlight = 0;
  #scratch: Uint8Array = new Uint8Array(0);

  constructor(state: FileState) {
    this.#state = state;
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** Whether a write did not answer in time, and still does not. */
  get isDown(): boolean {
    return this.#lost > 0;
  }

  /** Whether a record of so many bytes would be refused now. Asks nobody. */
  refuses(bytes: number): boolean {
    const state = this.#state;
    const span = state.span(bytes);
    if (this.isDown || this.#isTooMuch(span, this.#bytesInFlight)) return true;
    return this.#fullness.refuses(span, state.words.header[W_UNITS_USED], state.clock());
  }

  /** Records were deleted by this thread. */
  noteRoom(): void {
    this.#fullness.noteRoom();
  }

  /** Whether too much is under way; a record that is longer than may be goes when nothing else does. */
  #isTooMuch(span: number, waiting: number): boolean {
    return waiting > 0 && waiting + span > this.#state.settings.maxInFlightBytes;
  }

  write(records: readonly StoredEntry[], maxRecordBytes: number): Promise<WriteOutcome[]> {
    const { promise, resolve } = Promise.withResolvers<WriteOutcome[]>();
    const call: Call = { outcomes: new Array<WriteOutcome>(records.length), left: records.length, resolve };
    records.forEach((record, place) => {
      const taken = this.#take(record, maxRecordBytes, this.#bytesInFlight);
      if (typeof taken === "number") this.#stage(record, taken, call, place);
      else settle(call, place, taken);
    });
    if (records.length === 0) resolve([]);
    return promise;
  }

  writeSync(record: StoredEntry, maxRecordBytes: number): WriteOutcome {
    const state = this.#state;
    // It waits in no memory, so what is under way already keeps it from nothing.
    const row = this.#take(record, maxRecordBytes, Number.NEGATIVE_INFINITY);
    if (typeof row !== "number") return row;
    const bytes = recordBytes(record);
    const span = state.span(bytes);
    if (this.#scratch.length < span) this.#scratch = new Uint8Array(Math.max(span, 8192));
    const into = this.#scratch.subarray(0, span);
    this.#encode(record, row, into, 0);
    let error: ZbudError | null = null;
    try {
      writeAllSync(state.io, state.file, into, this.#positionOf(row));
    } catch (cause) {
      error = state.fault("a write failed", cause);
    }
    return state.locked(() => this.#finish(row, bytes, error));
  }

  /** A copy of the bytes of a row that this thread is writing. The lock is held. */
  bytesOf(row: number): Uint8Array | null {
    const job = this.#byRow.get(row);
    if (job === undefined) return null;
    const at = job.from + this.#positionOf(row) - job.position;
    return job.chunk.buffer.slice(at, at + this.#state.words.rows[row * ROW_WORDS + R_BYTES]);
  }

  /** When every write that was accepted up to now has ended. False: one did not in its time. */
  async drain(): Promise<boolean> {
    const jobs = [...this.#jobs];
    await Promise.all(jobs.map((job) => job.ended));
    return this.#lost === 0;
  }

  /**
   * A row for a record, or why it is refused. What the key had is dropped either way.
   *
   * @param waiting - bytes that wait in memory already.
   */
  #take(record: StoredEntry, maxRecordBytes: number, waiting: number): number | WriteOutcome {
    const state = this.#state;
    const bytes = recordBytes(record);
    const span = state.span(bytes);
    const key = state.indexKey(record.k0, record.k1, record.bytes.subarray(0, record.prefixLength));
    return state.locked((): number | WriteOutcome => {
      if (state.ended) return state.closedError();
      let outcome: WriteOutcome = "ENOSPC";
      if (bytes > maxRecordBytes) outcome = "EFBIG";
      else if (this.isDown || this.#isTooMuch(span, waiting) || !state.takeBudget(span)) {
        outcome = "EAGAIN";
      } else {
        const row = state.table.begin(key, bytes, state.member);
        if (row !== 0) return row;
        this.#fullness.noteRefused(span, state.words.header[W_UNITS_USED], state.clock());
      }
      state.table.remove(key);
      state.count(F_REFUSED);
      return outcome;
    });
  }

  #stage(record: StoredEntry, row: number, call: Call, place: number): void {
    const span = this.#state.span(recordBytes(record));
    const position = this.#positionOf(row);
    const chunk = this.#chunkFor(span);
    let job = this.#open;
    if (job === null || job.chunk !== chunk || job.position + (job.to - job.from) !== position) {
      job = newJob(chunk, position);
      chunk.jobs++;
      this.#open = job;
      this.#queue.push(job);
      this.#jobs.add(job);
    }
    this.#encode(record, row, chunk.buffer, chunk.used);
    chunk.used += span;
    job.to = chunk.used;
    job.rows.push(row);
    this.#byRow.set(row, job);
    job.calls.push(call);
    job.places.push(place);
    this.#bytesInFlight += span;
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      // Whatever else this turn of the event loop writes goes along.
      nextTurn(() => {
        this.#isScheduled = false;
        this.#pump();
      });
    }
  }

  #encode(record: StoredEntry, row: number, into: Uint8Array, at: number): void {
    const state = this.#state;
    const bytes = recordBytes(record);
    encodeRecord(record, state.table.sequenceOf(row), into, at);
    sealRecord(into, at, bytes, state.storeNumber);
    // What was in this memory before is nobody's business.
    into.fill(0, at + bytes, at + state.span(bytes));
  }

  #positionOf(row: number): number {
    return this.#state.positionOf(this.#state.words.rows[row * ROW_WORDS + R_START]);
  }

  #chunkFor(span: number): Chunk {
    const now = this.#chunk;
    if (now !== null && now.used + span <= now.buffer.length) return now;
    if (span > CHUNK_BYTES) return { buffer: new Uint8Array(span), used: 0, jobs: 0 };
    const next = this.#spare.pop() ?? { buffer: new Uint8Array(CHUNK_BYTES), used: 0, jobs: 0 };
    this.#chunk = next;
    if (now !== null && now.jobs === 0) this.#giveBack(now);
    return next;
  }

  #giveBack(chunk: Chunk): void {
    if (chunk.buffer.length !== CHUNK_BYTES) return;
    chunk.used = 0;
    if (chunk !== this.#chunk && this.#spare.length < SPARE_CHUNKS) this.#spare.push(chunk);
  }

  #pump(): void {
    while (this.#active < WRITES_AT_A_TIME && this.#lost === 0) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      if (job === this.#open) this.#open = null;
      void this.#run(job);
    }
  }

  async #run(job: Job): Promise<void> {
    const state = this.#state;
    this.#active++;
    job.isBegun = true;
    const lose = (): void => {
      if (!unlessLockBusy(() => this.#lose(job))) timer = setTimeout(lose, BUSY_MS);
    };
    let timer = setTimeout(lose, state.settings.timeoutMs);
    let error: ZbudError | null = null;
    try {
      await writeAll(state.io, state.file, job.chunk.buffer.subarray(job.from, job.to), job.position);
    } catch (cause) {
      error = state.fault("a write failed", cause);
    }
    clearTimeout(timer);
    await this.#whenFree(() => this.#conclude(job, error));
    this.#pump();
  }

  /** Does what takes the lock, as soon as no process is stopped that has it. */
  async #whenFree(act: () => void): Promise<void> {
    while (!unlessLockBusy(act)) await pause(BUSY_MS);
  }

  /** A write has not ended in its time: it and all that wait behind it have failed. */
  #lose(job: Job): void {
    const state = this.#state;
    const error = state.timeout("a write");
    state.locked(() => {
      for (const row of job.rows) state.table.doom(row);
      state.count(F_WRITES_FAILED, job.rows.length);
    });
    job.isLost = true;
    this.#lost++;
    this.#active--;
    for (const [index, call] of job.calls.entries()) settle(call, job.places[index], error);
    job.end();
    this.#open = null;
    for (const waiting of this.#queue.splice(0)) void this.#whenFree(() => this.#conclude(waiting, error));
  }

  /** A job's I/O has ended, or never began. */
  #conclude(job: Job, error: ZbudError | null): void {
    const state = this.#state;
    const { rows } = state.words;
    const outcomes = state.locked(() =>
      job.rows.map((row) => {
        this.#byRow.delete(row);
        if (!job.isLost) return this.#finish(row, rows[row * ROW_WORDS + R_BYTES], error);
        state.table.abort(row);
        return "ECANCELED";
      }),
    );
    if (job.isBegun && job.isLost) this.#lost--;
    else if (job.isBegun) this.#active--;
    this.#bytesInFlight -= job.to - job.from;
    this.#jobs.delete(job);
    if (--job.chunk.jobs === 0 && job.chunk !== this.#chunk) this.#giveBack(job.chunk);
    else if (job.chunk.jobs === 0) job.chunk.used = 0;
    if (job.isLost) return;
    for (const [index, call] of job.calls.entries()) settle(call, job.places[index], outcomes[index]);
    job.end();
  }

  /** Counts the end of one record's write. The lock is held. */
  #finish(row: number, bytes: number, error: ZbudError | null): WriteOutcome {
    const state = this.#state;
    if (error !== null) {
      state.table.abort(row);
      state.count(F_WRITES_FAILED);
      if (error.code === "ENOSPC") {
        // The front of the file has its place on the disk already: what is free there can still be written.
        state.words.header[W_CURSOR] = 0;
        this.#fullness.noteRefused(state.span(bytes), Number.POSITIVE_INFINITY, state.clock());
      }
      return error;
    }
    this.#fullness.noteWritten(state.span(bytes));
    state.count(F_RECORDS_WRITTEN);
    state.count(F_BYTES_WRITTEN, state.span(bytes));
    return state.table.commit(row) ? "ok" : "ECANCELED";
  }
}

function newJob(chunk: Chunk, position: number): Job {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    chunk,
    from: chunk.used,
    to: chunk.used,
    position,
    rows: [],
    calls: [],
    places: [],
    isLost: false,
    isBegun: false,
    ended: promise,
    end: resolve,
  };
}

function settle(call: Call, place: number, outcome: WriteOutcome): void {
  call.outcomes[place] = outcome;
  if (--call.left === 0) call.resolve(call.outcomes);
}
