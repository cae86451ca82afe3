import { type Handle, show, ZbudError } from "../base/index.ts";
import { type CompactResult, Pool, type PoolObserver, type ReclaimResult } from "../pool/index.ts";
import {
  DEPTH_MAX,
  type Eviction,
  type ReclaimLine,
  type ShrinkLine,
  type TraceHeader,
  type TraceLine,
} from "./format.ts";
import { PageSerials } from "./page-serials.ts";

/** A recording in progress. */
export interface Recording {
  /**
   * Ends it. What the pool does afterwards is not recorded. A second call does nothing.
   *
   * @throws what `write` threw, which ended the recording where it was; {@link ZbudError} `ENOTSUP` if
   *   handlers reclaimed in handlers deeper than a trace can tell, 100.
   */
  stop(): void;
}

/**
 * Records what a pool does, as a trace that can be replayed on another pool. Sizes and places are recorded,
 * never the stored bytes.
 *
 * @param pool - a pool that holds nothing yet: a trace begins with an empty one.
 * @param write - gets the trace line by line, each without its line end, the header first.
 * @throws {ZbudError} `EINVAL` if the pool holds objects already, or `write` is no function. What `write` throws for
 *   the header; later it ends the recording and comes out of `stop()`.
 */
export function record(pool: Pool, write: (line: string) => void): Recording {
  if (typeof write !== "function") {
    throw new ZbudError("EINVAL", `write must be a function that takes a line, not ${show(write)}`);
  }
  if (!(pool instanceof Pool)) {
    throw new ZbudError("EINVAL", `a pool is recorded (of a zpool its property pool), not ${show(pool)}`);
  }
  if (pool.pageCount !== 0) {
    throw new ZbudError(
      "EINVAL",
      `a recording begins with an empty pool, and this one has ${pool.pageCount} pages in use; record from its start`,
    );
  }
  const { pageSize, maxPages, chunkOrder, maxBytes, pageSizes } = pool.shape;
  const { maxGroupPages, maxObjects, slack } = pool.shape as Record<string, number | undefined>;
  const header: TraceHeader = {
    trace: "zbud/1",
    ...(pool.type === "zbud" ? {} : { driver: pool.type }),
    pageSize,
    ...(chunkOrder === undefined || chunkOrder === 6 ? {} : { chunkOrder }),
    maxPages,
    ...(pageSizes === undefined || maxBytes === undefined ? {} : { pageSizes, maxBytes }),
    ...(maxGroupPages === undefined ? {} : { maxGroupPages }),
    ...(maxObjects === undefined ? {} : { maxObjects }),
    ...(slack === undefined ? {} : { slack }),
    evict: pool.evictable,
  };
  const recorder = new Recorder(pool, write);
  write(JSON.stringify(header));
  recorder.start();
  return { stop: () => recorder.stop() };
}

/** A reclaim or shrink that is under way: its evictions so far. */
interface OpenLine {
  line: ReclaimLine | ShrinkLine;
  /** The eviction whose handler runs now: what the pool does now, the handler does. */
  eviction: Eviction | null;
}

/** Turns events into lines. A stack of lines that are not complete follows handlers that reclaim in their turn. */
class Recorder implements PoolObserver {
  readonly #pool: Pool;
  readonly #write: (line: string) => void;
  readonly #serials = new PageSerials();
  readonly #ids = new Map<Handle, number>();
  readonly #openLines: OpenLine[] = [];
  #nextId = 0;

  /** Whether events are for this recorder; it detaches itself when it cannot go on. */
  #attached = true;
  #end: () => void = () => {};
  #failure: { error: unknown } | null = null;

  constructor(pool: Pool, write: (line: string) => void) {
    this.#pool = pool;
    this.#write = write;
  }

  start(): void {
    this.#end = this.#pool.observe(this);
  }

  stop(): void {
    this.#detach();
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure.error;
  }

  onAlloc(size: number, result: Handle | "ENOSPC" | "ENOMEM" | "EINVAL"): void {
    const pages = this.#pool.pageCount;
    if (typeof result === "string") {
      if (!Number.isFinite(size)) return; // NaN and the like have no form in JSON
      this.#emit({ op: "alloc", size, error: result, pages });
      return;
    }
    const { page, offset } = this.#pool.inspect(result);
    const serial = this.#serials.afterAlloc(page, pages);
    const id = this.#nextId++;
    this.#ids.set(result, id);
    this.#emit({ op: "alloc", size, id, page: serial, offset, pages });
  }

  onFree(handle: Handle): void {
    const pages = this.#pool.pageCount;
    this.#emit({ op: "free", id: this.#ids.get(handle) as number, pages });
    this.#ids.delete(handle);
    this.#serials.afterRelease(pages);
  }

  onReclaimStart(retries: number): void {
    // A shrink's reclaims are part of its line.
    const open = this.#openLines.at(-1);
    if (open !== undefined && open.line.op === "shrink" && open.eviction === null) return;
    this.#open({ op: "reclaim", retries, evictions: [], result: "throw", pages: 0 });
  }

  onReclaimEnd(result: ReclaimResult | "throw"): void {
    const open = this.#openLines.at(-1);
    if (open === undefined) return; // of a reclaim that began before the recording
    const pages = this.#pool.pageCount;
    this.#serials.afterRelease(pages);
    if (open.line.op === "shrink") return;
    this.#close({ ...open.line, result, pages });
  }

  onShrinkStart(pages: number): void {
    this.#open({
      op: "shrink",
      pages,
      evictions: [],
      result: "throw",
      reclaimed: 0,
      poolPages: 0,
      totalSize: 0,
    });
  }

  onShrinkEnd(reclaimed: number, result: ReclaimResult | "throw"): void {
    const line = this.#openLines.at(-1)?.line;
    if (line === undefined) return;
    const { pageCount: pages, pageSize } = this.#pool;
    this.#serials.afterRelease(pages);
    const totalSize = pages * pageSize;
    this.#close({ ...(line as ShrinkLine), result, reclaimed, poolPages: pages, totalSize });
  }

  onCompact(maxMoves: number | undefined, { moved, pagesReleased }: CompactResult): void {
    const pages = this.#pool.pageCount;
    this.#serials.afterRelease(pages);
    const moves = maxMoves === undefined ? {} : { moves: maxMoves };
    this.#emit({ op: "compact", ...moves, moved, released: pagesReleased, pages });
  }

  onEvictStart(handle: Handle): void {
    const open = this.#openLines.at(-1);
    if (open === undefined) return;
    open.eviction = { id: this.#ids.get(handle) as number, do: [], returns: "throw" };
    open.line.evictions.push(open.eviction);
  }

  onEvictEnd(_handle: Handle, returned: boolean | "throw"): void {
    const open = this.#openLines.at(-1);
    if (open === undefined) return;
    if (open.eviction !== null && returned !== "throw") open.eviction.returns = returned ? 0 : -1;
    open.eviction = null;
  }

  #open(line: ReclaimLine | ShrinkLine): void {
    this.#openLines.push({ line, eviction: null });
  }

  #close(line: ReclaimLine | ShrinkLine): void {
    this.#openLines.pop();
    this.#emit(line);
  }

  /** To the handler that runs now, if there is one; else to the file. A listener must not throw. */
  #emit(line: TraceLine): void {
    if (!this.#attached) return;
    const eviction = this.#openLines.at(-1)?.eviction;
    if (this.#openLines.length > DEPTH_MAX) {
      this.#fail(
        new ZbudError(
          "ENOTSUP",
          `handlers called reclaim within handlers more than ${DEPTH_MAX} deep, which a trace cannot show; the recording ended there`,
        ),
      );
    } else if (eviction) {
      eviction.do.push(line);
    } else {
      try {
        this.#write(JSON.stringify(line));
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#detach();
  }

  #detach(): void {
    if (!this.#attached) return;
    this.#attached = false;
    this.#end();
  }
}
