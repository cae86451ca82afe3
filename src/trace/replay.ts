import { checkNames, type Handle, integerOption, show, ZbudError } from "../base/index.ts";
import { verify } from "../diagnostics/index.ts";
import { createPool } from "../drivers/index.ts";
import type { Pool, PoolStats } from "../pool/index.ts";
import type { CompactLine, Eviction, Trace, TraceHeader, TraceLine } from "./format.ts";
import { PageSerials } from "./page-serials.ts";

/** One thing that came out otherwise than the trace says. */
export interface Mismatch {
  /** Line of the trace, from 1. */
  line: number;
  /** What differs: `"offset"`, `"pages"`, `"result"`, `"bytes"`, … */
  what: string;
  expected: unknown;
  actual: unknown;
}

/** What a replay found. */
export interface ReplayResult {
  /** Operations done, those of evict handlers included. */
  operations: number;
  mismatches: Mismatch[];
  /** The pool's figures at the end. */
  stats: PoolStats;
}

/** How to replay. */
export interface ReplayOptions {
  /** Mismatches after which a replay ends; default 20. Once results differ, most that follow do. */
  maxMismatches?: number;
  /**
   * Replays the workload on a pool of another shape: fields of the header that are to be otherwise. Then
   * places and results are that pool's own and only bytes are compared; whatever it evicts is freed, and
   * later operations on it are left out.
   */
  shape?: Partial<Pick<TraceHeader, "driver" | "pageSize" | "chunkOrder" | "maxPages">>;
  /** Makes the pool to replay on, which must hold nothing yet; default: one of the kind the header describes. */
  createPool?: (header: TraceHeader, onEvict: ((handle: Handle) => boolean) | undefined) => Pool;
  /** Gets the pool before the first operation, to observe or record it. */
  onPool?: (pool: Pool) => void;
  /** Gets each mismatch as it is found. */
  onMismatch?: (mismatch: Mismatch) => void;
  /** Operations between two turns of {@link replaySteps}; default 1000. */
  turnOperations?: number;
}

/** What a replaying handler throws where the recorded one threw. */
class RecordedThrow extends Error {}

/**
 * Does a trace's operations on a fresh pool of the kind that its header describes, and compares every
 * error, page identity, offset, count, result, the order of evictions, and the bytes of every object: each
 * is filled after its alloc and checked before its free.
 *
 * @returns what differed; nothing for a correct allocator.
 * @throws {ZbudError} `EBADMSG` if the trace contradicts itself; `EINVAL` if its header describes no
 *   possible pool, or an option is none; `ENOENT` if its driver is not registered; `ENOMEM` if there is no
 *   address space for its pool.
 */
export function replay(trace: Trace, options: ReplayOptions = {}): ReplayResult {
  const steps = replaySteps(trace, options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/**
 * {@link replay} in turns, for one who has other things to do meanwhile: it yields the number of lines done,
 * before the first (0) and every so often, and at the end it returns the result. Ended early with `return()`,
 * it closes its pool.
 */
export function* replaySteps(trace: Trace, options: ReplayOptions = {}): Generator<number, ReplayResult> {
  const { header, operations } = trace ?? {};
  if (header === undefined || operations === undefined) {
    throw new ZbudError("EINVAL", `replay takes what parseTrace gave, not ${show(trace)}`);
  }
  checkNames("a replay", options, NAMES);
  const { maxMismatches = 20, shape = {}, onPool, createPool = poolFor, turnOperations = 1000 } = options;
  integerOption("maxMismatches", maxMismatches, 1, 2 ** 31);
  integerOption("turnOperations", turnOperations, 1, 2 ** 31);
  checkNames("a shape", shape, SHAPE_FIELDS);
  const exact = Object.keys(shape).length === 0;
  const replayer = new Replayer(
    exact ? header : reshaped(header, shape),
    maxMismatches,
    exact,
    createPool,
    options.onMismatch,
  );
  try {
    if (onPool === undefined) replayer.observe();
    else onPool(replayer.pool);
    yield 0;
    for (let i = 0; i < operations.length && !replayer.full; i++) {
      replayer.step(operations[i], i + 2);
      if (i % turnOperations === turnOperations - 1) yield i + 1;
    }
    return replayer.finish();
  } finally {
    replayer.pool.close();
  }
}

const NAMES = ["maxMismatches", "shape", "createPool", "onPool", "onMismatch", "turnOperations"];
const SHAPE_FIELDS = ["driver", "pageSize", "chunkOrder", "maxPages"];

/** A header with other fields. Pages of several sizes give way to those of the size in it. */
function reshaped(header: TraceHeader, shape: Partial<TraceHeader>): TraceHeader {
  const result: TraceHeader = { ...header, ...shape };
  delete result.pageSizes;
  delete result.maxBytes;
  delete result.maxGroupPages;
  delete result.maxObjects;
  delete result.slack;
  return result;
}

/** Makes the pool that a header describes. What is wrong with it is wrong with line 1. */
function poolFor(header: TraceHeader, onEvict: ((handle: Handle) => boolean) | undefined): Pool {
  const { pageSize, maxPages, chunkOrder, pageSizes, maxBytes } = header;
  // Pools with pages of several sizes once called themselves zbud.
  const driver = pageSizes === undefined ? (header.driver ?? "zbud") : "size-classes";
  const { maxGroupPages, maxObjects, slack } = header;
  const sizes =
    pageSizes === undefined || maxBytes === undefined ? { pageSize, maxPages } : { pageSizes, maxBytes };
  const options = {
    ...sizes,
    ...(chunkOrder === undefined ? {} : { chunkOrder }),
    ...(maxGroupPages === undefined ? {} : { maxGroupPages }),
    ...(maxObjects === undefined ? {} : { maxObjects }),
    ...(slack === undefined ? {} : { slack }),
    onEvict,
  };
  try {
    return createPool(driver, options);
  } catch (error) {
    if (!(error instanceof ZbudError)) throw error;
    throw new ZbudError(error.code, `line 1 describes a pool that cannot be made: ${error.message}`, {
      cause: error,
    });
  }
}

class Replayer {
  readonly pool: Pool;
  readonly #maxMismatches: number;
  /** Whether results and places are compared, and evictions are the recorded ones. */
  readonly #exact: boolean;
  readonly #mismatches: Mismatch[] = [];
  readonly #onMismatch: ReplayOptions["onMismatch"];
  readonly #serials = new PageSerials();
  readonly #handles = new Map<number, Handle>();
  readonly #ids = new Map<Handle, number>();
  #operations = 0;
  #line = 0;
  /** The evictions that the operation under way is to bring, and how many have come. */
  #expected: Eviction[] = [];
  #came = 0;
  /** Pages that the last shrink to end released; null if nobody listens. */
  #reclaimed: number | null = null;

  constructor(
    header: TraceHeader,
    maxMismatches: number,
    exact: boolean,
    createPool: NonNullable<ReplayOptions["createPool"]>,
    onMismatch: ReplayOptions["onMismatch"],
  ) {
    this.#onMismatch = onMismatch;
    this.#exact = exact;
    this.pool = createPool(header, header.evict ? (handle) => this.#evict(handle) : undefined);
    this.#maxMismatches = maxMismatches;
  }

  /** Listens to the pool for what a call that throws does not return. */
  observe(): void {
    this.pool.observe({
      onShrinkEnd: (reclaimed) => {
        this.#reclaimed = reclaimed;
      },
    });
  }

  get full(): boolean {
    return this.#mismatches.length >= this.#maxMismatches;
  }

  step(operation: TraceLine, line: number): void {
    this.#line = line;
    this.#perform(operation);
  }

  finish(): ReplayResult {
    for (const id of this.#handles.keys()) this.#checkBytes(id);
    verify(this.pool);
    return { operations: this.#operations, mismatches: this.#mismatches, stats: this.pool.stats() };
  }

  #perform(operation: TraceLine): void {
    this.#operations++;
    switch (operation.op) {
      case "alloc":
        this.#alloc(operation);
        break;
      case "free": {
        const handle = this.#handles.get(operation.id);
        if (handle === undefined) {
          if (!this.#exact || this.#mismatches.length > 0) break; // evicted, or an alloc went wrong before
          throw this.#contradiction(`object ${operation.id} is freed and was not there`);
        }
        this.#checkBytes(operation.id);
        this.#forget(operation.id, handle);
        this.#serials.afterRelease(this.pool.pageCount);
        this.#compare("pages", operation.pages, this.pool.pageCount);
        break;
      }
      case "compact":
        this.#compact(operation);
        break;
      default:
        this.#reclaim(operation);
    }
  }

  #alloc(operation: TraceLine & { op: "alloc" }): void {
    const result = this.#tryAlloc(operation.size);
    const pages = this.pool.pageCount;
    if (typeof result === "string") {
      this.#compare("error", "error" in operation ? operation.error : undefined, result);
    } else {
      const { page, offset } = this.pool.inspect(result);
      const serial = this.#serials.afterAlloc(page, pages);
      if ("error" in operation && this.#exact) {
        this.#compare("error", operation.error, undefined);
        this.pool.free(result);
        this.#serials.afterRelease(this.pool.pageCount);
      } else if (!("error" in operation)) {
        this.#compare("page", operation.page, serial);
        this.#compare("offset", operation.offset, offset);
        if (this.#handles.has(operation.id)) {
          throw this.#contradiction(`object ${operation.id} is allocated and was there`);
        }
        this.#handles.set(operation.id, result);
        this.#ids.set(result, operation.id);
        const view = this.pool.map(result);
        this.#compare("size", operation.size, view.length);
        view.fill(fillOf(operation.id));
        this.pool.unmap(result);
      } else {
        this.pool.free(result); // where the recorded pool had no room
      }
    }
    this.#compare("pages", operation.pages, pages);
  }

  #tryAlloc(size: number): Handle | "ENOSPC" | "ENOMEM" | "EINVAL" {
    try {
      return this.pool.alloc(size);
    } catch (error) {
      if (error instanceof ZbudError && error.code === "EINVAL") return "EINVAL";
      throw error;
    }
  }

  #reclaim(operation: TraceLine & { op: "reclaim" | "shrink" }): void {
    const outer = { expected: this.#expected, came: this.#came };
    this.#expected = operation.evictions;
    this.#came = 0;
    try {
      if (operation.op === "reclaim") {
        const result = this.#catchRecorded(() => {
          return this.pool.reclaimPage(operation.retries);
        });
        this.#compare("result", operation.result, result);
        this.#compare("pages", operation.pages, this.pool.pageCount);
      } else {
        const done = this.#catchRecorded(() => {
          return this.pool.shrinkPages(operation.pages);
        });
        const { result, reclaimed } =
          done === "throw" ? { result: done, reclaimed: this.#reclaimed ?? operation.reclaimed } : done;
        this.#compare("result", operation.result, result);
        this.#compare("reclaimed", operation.reclaimed, reclaimed);
        this.#compare("poolPages", operation.poolPages, this.pool.pageCount);
        this.#compare("totalSize", operation.totalSize, this.pool.pageCount * this.pool.pageSize);
      }
      this.#compare("evictions", operation.evictions.length, this.#came);
    } finally {
      this.#expected = outer.expected;
      this.#came = outer.came;
      this.#serials.afterRelease(this.pool.pageCount);
    }
  }

  #compact({ moves, moved, released, pages }: CompactLine): void {
    const result = this.pool.compact(moves);
    this.#compare("moved", moved, result.moved);
    this.#compare("released", released, result.pagesReleased);
    this.#compare("pages", pages, this.pool.pageCount);
    this.#serials.afterRelease(this.pool.pageCount);
  }

  #catchRecorded<T>(operation: () => T): T | "throw" {
    try {
      return operation();
    } catch (error) {
      if (error instanceof RecordedThrow) return "throw";
      throw error;
    }
  }

  /** The evict handler: does what the recorded one did. */
  #evict(handle: Handle): boolean {
    this.#serials.afterRelease(this.pool.pageCount); // a shrink may have released pages since the last
    if (!this.#exact) {
      const id = this.#ids.get(handle) as number;
      this.#checkBytes(id);
      this.#forget(id, handle);
      return true;
    }
    const eviction = this.#expected[this.#came++];
    this.#compare("evicted object", eviction?.id, this.#ids.get(handle));
    if (eviction === undefined || this.full) return false;
    for (const operation of eviction.do) this.#perform(operation);
    if (eviction.returns === "throw") throw new RecordedThrow();
    return eviction.returns === 0;
  }

  #forget(id: number, handle: Handle): void {
    this.#handles.delete(id);
    this.#ids.delete(handle);
    this.pool.free(handle);
  }

  #checkBytes(id: number): void {
    const view = this.pool.map(this.#handles.get(id) as Handle);
    const fill = fillOf(id);
    const at = view.findIndex((byte) => byte !== fill);
    this.pool.unmap(this.#handles.get(id) as Handle);
    if (at >= 0) this.#note("bytes", fill, view[at]);
  }

  #compare(what: string, expected: unknown, actual: unknown): void {
    if (this.#exact && expected !== actual) this.#note(what, expected, actual);
  }

  #note(what: string, expected: unknown, actual: unknown): void {
    const mismatch = { line: this.#line, what, expected, actual };
    this.#mismatches.push(mismatch);
    this.#onMismatch?.(mismatch);
  }

  #contradiction(what: string): ZbudError {
    return new ZbudError("EBADMSG", `line ${this.#line}: ${what}; the trace contradicts itself`);
  }
}

/** The byte that fills an object; neighbours in time differ. */
function fillOf(id: number): number {
  return (id * 167 + 13) & 0xff;
}
