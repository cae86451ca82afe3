/**
 * What a viewer costs the program that it watches: a program that compresses, stores and frees, with a viewer
 * that a client in another process watches all the time, and without.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Prng } from "../src/base/index.ts";
import { getCodec } from "../src/codecs/index.ts";
import { type Handle, ZbudPool } from "../src/entry/index.ts";
import { viewer } from "../src/viewer/index.ts";
import { type BenchOptions, median, type TimedRow } from "./harness.ts";

const UNIT = 4096;
/** Operations between two looks at the network, as in a program that serves requests. */
const BATCH = 64;

export async function run({ seed, quick, log }: BenchOptions): Promise<TimedRow[]> {
  const rows: TimedRow[] = [];
  for (const pages of quick ? [200] : [1000, 100_000]) {
    log(`${pages} pages`);
    rows.push(await compare(pages, quick ? 300 : 10_000, quick ? 2 : 9, seed));
  }
  return rows;
}

/** Rounds of a fixed time, in turns watched and not; who watches starts before a round and ends after it. */
async function compare(pages: number, roundMs: number, rounds: number, seed: number): Promise<TimedRow> {
  const work = new Work(pages, seed);
  const shown = viewer(work.pool);
  const { url } = await shown.listen();
  const ns: Record<"watched" | "alone", number[]> = { watched: [], alone: [] };
  await work.run(roundMs / 4);
  for (let round = 0; round < rounds; round++) {
    const order = (round % 2 === 0 ? ["watched", "alone"] : ["alone", "watched"]) as ("watched" | "alone")[];
    for (const how of order) {
      const client = how === "watched" ? await watch(url) : null;
      ns[how].push(await work.run(roundMs));
      client?.kill();
      if (client !== null) await once(client, "exit");
      while (shown.watchers > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  await shown.close();
  work.pool.close();
  // Of each pair, so that a slow minute of the machine hits both.
  const ratio = middle(ns.watched.map((watched, i) => watched / ns.alone[i]));
  const theirs = middle(ns.alone);
  return {
    suite: "viewer",
    case: `compress, store, free; ${pages.toLocaleString("en")} pages`,
    ours: theirs * ratio,
    peer: "unwatched",
    theirs,
    unit: "ns/op",
    ratio,
    median: { ours: middle(ns.watched), theirs },
  };
}

function middle(values: readonly number[]): number {
  return median(values.toSorted((a, b) => a - b));
}

/** What a browser does: hears the counters, and asks for the next snapshot as soon as it has one. */
const CLIENT = `
const url = process.argv[1];
const events = await fetch(url + "events");
process.stdout.write("watching\\n");
let last = 0;
const frames = (async () => { for (;;) {
  const response = await fetch(url + "snapshot?after=" + last);
  await response.arrayBuffer();
  last = Number(response.headers.get("Snapshot-Number"));
} })();
for await (const piece of events.body);
`;

async function watch(url: string): Promise<ReturnType<typeof spawn>> {
  const client = spawn(process.execPath, ["--input-type=module", "--eval", CLIENT, url], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(client.stdout as NodeJS.ReadableStream, "data");
  return client;
}

/** A pool that is full, and a program that replaces its objects. */
class Work {
  readonly pool: ZbudPool;
  readonly #codec = getCodec("lz4");
  readonly #live: Float64Array;
  readonly #inputs: Uint8Array[];
  readonly #block = new Uint8Array(UNIT);
  readonly #prng: Prng;
  #next = 0;

  constructor(pages: number, seed: number) {
    this.#prng = new Prng(seed);
    this.pool = new ZbudPool({ maxPages: pages * 2 });
    this.#inputs = Array.from({ length: 256 }, () => this.#input());
    this.#live = new Float64Array(pages * 2);
    for (let i = 0; this.pool.pageCount < pages; i++) this.#live[i] = this.#store(i);
  }

  /**
   * Works for so long.
   *
   * @returns nanoseconds of processor time an operation, those of all threads of the process: serving and
   *   collecting garbage is in it, waiting for a processor is not.
   */
  async run(ms: number): Promise<number> {
    const begun = performance.now();
    const cpu = process.cpuUsage();
    let operations = 0;
    while (performance.now() - begun < ms) {
      for (let i = 0; i < BATCH; i++) this.#step();
      operations += BATCH;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { user, system } = process.cpuUsage(cpu);
    return ((user + system) * 1000) / operations;
  }

  #step(): void {
    const at = this.#prng.below(this.#live.length);
    const handle = this.#live[at];
    if (handle === 0) return;
    this.pool.free(handle as Handle);
    this.#live[at] = this.#store(this.#next++);
  }

  #store(i: number): Handle {
    const size = this.#codec.compress(this.#inputs[i % this.#inputs.length], this.#block);
    const handle = this.pool.alloc(size);
    if (typeof handle === "string") throw new Error(`the pool refused ${size} bytes: ${handle}`);
    this.pool.write(handle, this.#block.subarray(0, size));
    return handle;
  }

  /** Half noise, so that it compresses to somewhat more than a half. */
  #input(): Uint8Array {
    const input = new Uint8Array(UNIT);
    const noise = 500 + this.#prng.below(2800);
    for (let i = 0; i < noise; i++) input[i] = this.#prng.below(256);
    return input;
  }
}
