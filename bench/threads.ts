import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { verify } from "../src/diagnostics/index.ts";
import { type SharedZbudPool, ZbudPool } from "../src/drivers/index.ts";
import {
  type BenchOptions,
  type Contender,
  compileC,
  type Row,
  race,
  runC,
  type TimedRow,
} from "./harness.ts";
import type { Job } from "./threads-worker.ts";

const SUITE = "threads";
/** What an operation's lock and unlock may add: the goal that the last row is held against. */
const LOCK_NS_MAX = 25;

/** Worker threads that do rounds of the same work at the same time. */
class WorkerGroup {
  readonly #workers: Worker[];
  readonly #control: Int32Array;
  #rounds = 0;

  private constructor(workers: Worker[], control: Int32Array) {
    this.#workers = workers;
    this.#control = control;
  }

  /** Starts one thread for each list of pools, and waits until all have filled theirs. */
  static async start(
    pools: SharedZbudPool[][],
    job: Pick<Job, "live" | "operations" | "seed">,
  ): Promise<WorkerGroup> {
    const control = new Int32Array(new SharedArrayBuffer(8));
    const workers = pools.map((shared, i) => {
      const data: Job = { ...job, seed: job.seed + i, shared, control };
      return new Worker(join(import.meta.dirname, "threads-worker.ts"), { workerData: data });
    });
    const group = new WorkerGroup(workers, control);
    const failed = Promise.race(workers.map((worker) => once(worker, "exit")));
    while (Atomics.load(control, 1) < workers.length) {
      const sleep = new Promise((resolve) => setTimeout(resolve, 5));
      await Promise.race([sleep, failed]);
    }
    return group;
  }

  /** One round in all threads, from the first that starts to the last that ends. Nanoseconds. */
  round(): number {
    const control = this.#control;
    const count = this.#workers.length;
    const start = process.hrtime.bigint();
    Atomics.store(control, 0, ++this.#rounds);
    Atomics.notify(control, 0);
    for (;;) {
      const done = Atomics.load(control, 1);
      if (done === (this.#rounds + 1) * count) break;
      if (Atomics.wait(control, 1, done, 60_000) === "timed-out") throw new Error("a thread does not end");
    }
    return Number(process.hrtime.bigint() - start);
  }

  async stop(): Promise<void> {
    const exits = this.#workers.map((worker) => once(worker, "exit"));
    Atomics.store(this.#control, 0, -1);
    Atomics.notify(this.#control, 0);
    await Promise.all(exits);
  }
}

interface Setting {
  name: string;
  /** Pools that each thread uses. */
  pools: SharedZbudPool[][];
  /** Objects that each thread keeps. */
  live: number;
}

/** Two threads against one, and what a lock costs one. */
export async function run({ seed, quick, log }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  const sizes = quick ? [1000] : [1000, 100_000];
  for (const live of sizes) rows.push(...(await compareThreads(live, { seed, quick, log })));
  for (const live of sizes) rows.push(...threadsInC(live, { seed, quick, log }));
  rows.push(...(await compareWithC(quick ? [1000] : [1000, 100_000, 1_000_000], { seed, quick, log })));
  return rows;
}

/** What is compared; each has pools of its own. */
function settingsOf(live: number, makePool: () => SharedZbudPool): Record<string, Setting> {
  const one = makePool();
  const ownA = makePool();
  const ownB = makePool();
  const common = makePool();
  const split = Array.from({ length: 8 }, () => makePool());
  return {
    private: { name: "not shared", pools: [[]], live },
    one: { name: "one thread", pools: [[one]], live },
    own: { name: "two threads, each with its own pool", pools: [[ownA], [ownB]], live },
    common: { name: "two threads, one pool", pools: [[common], [common]], live: live / 2 },
    split: { name: "two threads, one pool split into 8", pools: [split, split], live: live / 2 },
  };
}

async function compareThreads(live: number, { seed, quick, log }: BenchOptions): Promise<Row[]> {
  const operations = quick ? 5_000 : 500_000;
  log(`  ${live.toLocaleString("en-US")} live, one thread and two …`);
  const open: ZbudPool[] = [];
  const makePool = (maxPages: number): SharedZbudPool => {
    const pool = new ZbudPool({ maxPages, shared: true });
    open.push(pool);
    return pool.share();
  };
  const settings = settingsOf(live, () => makePool(live));
  const groups = new Map<string, WorkerGroup>();
  const ns = new Map<string, number[]>();
  for (const [key, setting] of Object.entries(settings)) {
    groups.set(key, await WorkerGroup.start(setting.pools, { live: setting.live, operations, seed }));
    ns.set(key, []);
  }
  // In turns, so that a slow second of the machine hits all.
  for (let round = quick ? -1 : -3; round < (quick ? 1 : 11); round++) {
    for (const [key, group] of groups) {
      const threads = settings[key].pools.length;
      const elapsed = group.round() / (operations * threads);
      if (round >= 0) ns.get(key)?.push(elapsed);
    }
  }
  for (const group of groups.values()) await group.stop();
  for (const pool of open) {
    verify(pool);
    pool.close();
  }
  return threadRows(live, settings, ns);
}

/** Of the times of each setting, in nanoseconds an operation, rows that compare them. */
function threadRows(
  live: number,
  settings: Record<string, Setting>,
  ns: ReadonlyMap<string, number[]>,
): Row[] {
  const rate = (key: string, pick: (sorted: number[]) => number): number =>
    1e3 / pick((ns.get(key) ?? []).toSorted((a, b) => a - b));
  const best = (sorted: number[]): number => sorted[0];
  const middle = (sorted: number[]): number => sorted[sorted.length >> 1];
  const cases = `free + alloc, ${live.toLocaleString("en-US")} live`;
  const row = (key: string, peer: string): TimedRow => ({
    suite: SUITE,
    case: `${cases}, ${settings[key].name}`,
    ours: rate(key, best),
    peer: settings[peer].name,
    theirs: rate(peer, best),
    unit: "million/s",
    ratio: rate(key, best) / rate(peer, best),
    median: { ours: rate(key, middle), theirs: rate(peer, middle) },
  });
  // Two operations a step, each with its lock and unlock.
  const added = (pick: (sorted: number[]) => number): number =>
    Math.max((1e3 / rate("one", pick) - 1e3 / rate("private", pick)) / 2, 0.01);
  return [
    row("own", "one"),
    row("common", "one"),
    row("split", "one"),
    {
      suite: SUITE,
      case: `lock + unlock, ${live.toLocaleString("en-US")} live, added to an operation`,
      ours: added(best),
      peer: "goal",
      theirs: LOCK_NS_MAX,
      unit: "ns/op",
      ratio: added(best) / LOCK_NS_MAX,
    },
  ];
}

/** The same settings in C: what two threads with spin locks can reach on this machine. */
function threadsInC(live: number, { seed, quick, log }: BenchOptions): Row[] {
  const program = compileC(join(import.meta.dirname, "native/zbud-threads.c"), ["-DLOCKED", "-pthread"], log);
  if (program === null) return [];
  log(`  ${live.toLocaleString("en-US")} live, one thread and two, in C …`);
  const operations = quick ? 5_000 : 500_000;
  const rate = (kind: string, live: number, threads: number, pools: number): number => {
    const { checksum, ns } = runC(program, [kind, live, operations, seed, threads, pools]);
    return (Number(checksum) / ns) * 1e3;
  };
  const settings: [name: string, measure: () => number][] = [
    ["one thread", () => rate("own", live, 1, 1)],
    ["two threads, each with its own pool", () => rate("own", live, 2, 1)],
    ["two threads, one pool", () => rate("split", live / 2, 2, 1)],
    ["two threads, one pool split into 8", () => rate("split", live / 2, 2, 8)],
  ];
  const best = settings.map(() => 0);
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    settings.forEach(([, measure], i) => {
      best[i] = Math.max(best[i], measure());
    });
  }
  return settings.slice(1).map(([name], i) => ({
    suite: SUITE,
    case: `free + alloc, ${live.toLocaleString("en-US")} live, C: ${name}`,
    ours: best[i + 1],
    peer: "C: one thread",
    theirs: best[0],
    unit: "million/s",
    ratio: best[i + 1] / best[0],
  }));
}

async function compareWithC(counts: number[], { seed, quick, log }: BenchOptions): Promise<Row[]> {
  const program = compileC(join(import.meta.dirname, "native/zbud.c"), ["-DLOCKED"], log);
  if (program === null) return [];
  const rows: Row[] = [];
  const operations = quick ? 10_000 : 1_000_000;
  for (const live of counts) {
    log(`  ${live.toLocaleString("en-US")} live, one thread, against C with a spin lock …`);
    const pool = new ZbudPool({ maxPages: live, shared: true });
    const group = await WorkerGroup.start([[pool.share()]], { live, operations, seed });
    // The two do the same work, but ours goes on where it was: only the amount is comparable.
    const contenders: Contender[] = [
      { name: "zbud", round: () => ({ checksum: operations, ns: group.round() }) },
      {
        name: "C, spin lock",
        round: () => ({ checksum: operations, ns: runC(program, ["churn", live, operations, seed]).ns }),
      },
    ];
    const [ours, theirs] = race(contenders, {
      operations,
      rounds: quick ? 1 : 9,
      warmups: quick ? 0 : 2,
      seed,
    });
    await group.stop();
    pool.close();
    rows.push({
      suite: SUITE,
      case: `free + alloc, ${live.toLocaleString("en-US")} live, one thread`,
      ours: ours.nsMin,
      peer: theirs.name,
      theirs: theirs.nsMin,
      unit: "ns/op",
      ratio: ours.nsMin / theirs.nsMin,
      median: { ours: ours.nsMedian, theirs: theirs.nsMedian },
    } as TimedRow);
  }
  return rows;
}
