import { join } from "node:path";
import { MemPool } from "@thi.ng/malloc";
import type { Handle } from "../src/base/index.ts";
import { ZbudPool } from "../src/drivers/index.ts";
import type { Pool } from "../src/pool/index.ts";
import { driverRows } from "./allocator-drivers.ts";
import {
  type BenchOptions,
  type Contender,
  compileC,
  heapDelta,
  type RoundResult,
  type Row,
  race,
  runC,
  timeRows,
} from "./harness.ts";
import { makeWork, type Work } from "./work.ts";

const SUITE = "allocator";
const PAGE_SIZE = 4096;
/** Operations of one timed round, and as many untimed before them. */
const OPERATIONS = 1_000_000;

/** Small pools are filled and reclaimed again until so many objects were evicted. */
const RECLAIM_OBJECTS = 200_000;

/** Our pool in a state to time from: full, and for churn and reclaim warmed up by as much churn again. */
class Ours {
  readonly work: Work;
  readonly handles: Float64Array;
  readonly pool: ZbudPool;

  constructor(work: Work) {
    this.work = work;
    this.handles = new Float64Array(work.live);
    const onEvict = (handle: Handle, pool: Pool): boolean => {
      pool.free(handle);
      return true;
    };
    this.pool = new ZbudPool({ maxPages: work.live, pageSize: PAGE_SIZE, onEvict });
  }

  fill(): void {
    const { handles, pool } = this;
    const { fillSizes } = this.work;
    for (let i = 0; i < fillSizes.length; i++) {
      const handle = pool.alloc(fillSizes[i]);
      if (typeof handle === "string") throw new Error(`alloc: ${handle}`);
      handles[i] = handle;
    }
  }

  empty(): void {
    for (const handle of this.handles) this.pool.free(handle as Handle);
  }

  churn(from: number, to: number): void {
    const { handles, pool } = this;
    const { places, sizes } = this.work;
    for (let i = from; i < to; i++) {
      const place = places[i];
      pool.free(handles[place] as Handle);
      const handle = pool.alloc(sizes[i]);
      if (typeof handle === "string") throw new Error(`alloc: ${handle}`);
      handles[place] = handle;
    }
  }

  /** Reclaims until the pool is empty. How many pages that were. */
  reclaimAll(): number {
    let pages = 0;
    while (this.pool.reclaimPage() === "ok") pages++;
    return pages;
  }

  /** Where every object lies in its page, and how many pages there are. */
  placement(): string {
    let checksum = 0;
    for (const handle of this.handles) {
      checksum = (Math.imul(checksum, 31) + this.pool.inspect(handle as Handle).offset) >>> 0;
    }
    return String((Math.imul(checksum, 31) + this.pool.pageCount) >>> 0);
  }
}

/** Times a piece of work by itself: what makes its checksum is not part of it. */
function timed(work: () => void, checksum: () => string): RoundResult {
  const start = process.hrtime.bigint();
  work();
  const ns = Number(process.hrtime.bigint() - start);
  return { checksum: checksum(), ns };
}

type Case = "fill" | "churn" | "reclaim";

function ours(kind: Case, work: Work, checksum: (ours: Ours, pages: number) => string): Contender {
  const state = new Ours(work);
  const { live, operations } = work;
  return {
    name: "zbud",
    prepare(): void {
      state.reclaimAll();
      state.fill();
      if (kind === "fill") state.empty();
      else state.churn(0, operations);
    },
    round(): RoundResult {
      if (kind === "fill") {
        return timed(
          () => state.fill(),
          () => checksum(state, 0),
        );
      }
      if (kind === "churn") {
        return timed(
          () => state.churn(operations, 2 * operations),
          () => checksum(state, 0),
        );
      }
      let pages = 0;
      let ns = 0;
      for (let cycle = 0; cycle === 0 || cycle * live < RECLAIM_OBJECTS; cycle++) {
        if (cycle > 0) {
          state.fill();
          state.churn(0, live);
        }
        const start = process.hrtime.bigint();
        pages += state.reclaimAll();
        ns += Number(process.hrtime.bigint() - start);
      }
      return { checksum: checksum(state, pages), ns };
    },
  };
}

/** The pool in C: prints a checksum of the same placement. */
function inC(program: string, kind: Case, { live, operations, seed }: Work): Contender {
  return { name: "C", round: () => runC(program, [kind, live, operations, seed]) };
}

/** A general allocator over one ArrayBuffer. It places otherwise, so only what was done can be compared. */
function thing(kind: "fill" | "churn", work: Work): Contender {
  const { live, operations, fillSizes, places, sizes } = work;
  const addresses = new Float64Array(live);
  let pool: MemPool;
  const fill = (): void => {
    for (let i = 0; i < live; i++) addresses[i] = pool.malloc(fillSizes[i]);
  };
  const churn = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      if (!pool.free(addresses[places[i]])) throw new Error("free: no such block");
      addresses[places[i]] = pool.malloc(sizes[i]);
    }
  };
  return {
    name: "@thi.ng/malloc",
    prepare(): void {
      pool = new MemPool({ size: live * 2400 + 2 ** 20 });
      fill();
      if (kind === "fill") pool.freeAll();
      else churn(0, operations);
    },
    round: () =>
      timed(
        () => (kind === "fill" ? fill() : churn(operations, 2 * operations)),
        () => {
          if (addresses.includes(0)) throw new Error("malloc: no room");
          return String(live);
        },
      ),
  };
}

const thousands = (n: number): string => n.toLocaleString("en-US");

/** Bytes that a million alloc and free, and a full pool's reclaim, leave on the V8 heap; -1 if it cannot be told. */
function heapBytes(work: Work): { churn: number; reclaim: number } {
  const state = new Ours(work);
  for (let i = 0; i < 100; i++) {
    state.fill();
    state.churn(0, work.operations / 50);
    state.reclaimAll();
  }
  state.fill();
  const churned = heapDelta(() => state.churn(0, work.operations)) ?? -1;
  const reclaimed = heapDelta(() => state.reclaimAll()) ?? -1;
  state.pool.close();
  return { churn: churned, reclaim: reclaimed };
}

/** Our pool against the same algorithm in C, and against a general allocator in JavaScript. */
export function run({ seed, quick, log }: BenchOptions): Promise<Row[]> {
  const program = compileC(join(import.meta.dirname, "native/zbud.c"), [], log);
  const rounds = quick ? 1 : 9;
  const warmups = quick ? 0 : 2;
  const rows: Row[] = [];

  for (const live of quick ? [1000] : [1000, 100_000, 1_000_000]) {
    const work = makeWork(live, quick ? 10_000 : OPERATIONS, seed);
    for (const kind of ["fill", "churn", "reclaim"] as const) {
      if (program === null) break;
      const name = { fill: "fill", churn: "free + alloc", reclaim: "reclaim" }[kind];
      log(`  ${name}, ${thousands(live)} live, against C …`);
      let pages = 0;
      const own = ours(kind, work, (state, reclaimed) => {
        pages = reclaimed;
        return kind === "reclaim" ? String(reclaimed) : state.placement();
      });
      const timings = race([own, inC(program, kind, work)], { operations: 1, rounds, warmups, seed });
      const units = { fill: live, churn: work.operations, reclaim: pages }[kind];
      for (const timing of timings) {
        timing.nsMin /= units;
        timing.nsMedian /= units;
      }
      rows.push(...timeRows(SUITE, `${name}, ${thousands(live)} live`, timings));
    }
  }

  // It searches its list of blocks at each free, so there it gets fewer operations, and ours with it.
  for (const [live, operations] of quick
    ? [[1000, 100]]
    : [
        [1000, 100_000],
        [100_000, 100],
        [1_000_000, 10],
      ]) {
    const work = makeWork(live, operations, seed);
    for (const kind of ["fill", "churn"] as const) {
      const name = kind === "fill" ? "fill" : "free + alloc";
      log(`  ${name}, ${thousands(live)} live, against @thi.ng/malloc …`);
      const units = kind === "fill" ? live : operations;
      const timings = race([ours(kind, work, () => String(live)), thing(kind, work)], {
        operations: units,
        rounds: quick ? 1 : 3,
        warmups: quick ? 0 : 1,
        seed,
      });
      rows.push(...timeRows(SUITE, `${name}, ${thousands(live)} live`, timings));
    }
  }

  rows.push(...driverRows({ seed, quick, log }));

  const heap = heapBytes(makeWork(1000, quick ? 10_000 : OPERATIONS, seed));
  log(
    `  V8 heap after ${thousands(quick ? 10_000 : OPERATIONS)} free + alloc: ${thousands(heap.churn)} bytes more`,
  );
  log(`  V8 heap after the reclaim of a full pool: ${thousands(heap.reclaim)} bytes more`);
  return Promise.resolve(rows);
}
