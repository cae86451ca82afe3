/**
 * What eviction policies miss, of the same requests within the same bound, against the LRU that the cache has:
 * recorded traces where there are any, and generated ones. Nothing is stored or timed.
 */
import type { BenchOptions, Row } from "./harness.ts";
import { type MakePolicy, POLICIES } from "./policies.ts";
import { generatedTraces, type KeyTrace, recordedTraces } from "./policy-traces.ts";

/** Of all that a trace asks for, this much is held. */
const SHARES = [0.001, 0.01, 0.1, 0.3];

export function run({ seed, quick, log }: BenchOptions): Promise<Row[]> {
  const size = quick ? { requests: 20_000, keys: 2000 } : { requests: 1_000_000, keys: 100_000 };
  const traces = [...recordedTraces(log), ...generatedTraces(seed, size)];
  const rows: Row[] = [];
  for (const trace of traces) {
    log(`${trace.name}: ${trace.keys.length} requests for ${trace.sizes.length} keys`);
    rows.push(...compare(trace, "entries", new Uint32Array(trace.sizes.length).fill(1)));
    rows.push(...compare(trace, "bytes", trace.sizes));
  }
  return Promise.resolve(rows);
}

/** Rows of one trace under one kind of bound. A bound too small for ten keys of mean size says nothing. */
function compare(trace: KeyTrace, bound: string, sizes: Uint32Array): Row[] {
  const footprint = sizes.reduce((sum, size) => sum + size, 0);
  return SHARES.filter((share) => share * sizes.length >= 10).flatMap((share) => {
    const capacity = Math.floor(share * footprint);
    const [lru, ...others] = POLICIES.map(([name, make]) => ({
      name,
      missed: missed(trace.keys, sizes, capacity, make),
    }));
    return others.map((other) => ({
      suite: "policy",
      case: `${trace.name}, ${share * 100} % of ${bound}`,
      ours: lru.missed,
      peer: other.name,
      theirs: other.missed,
      unit: "% missed",
      ratio: lru.missed / other.missed,
    }));
  });
}

/** Percents of the requests that find nothing. */
function missed(keys: Int32Array, sizes: Uint32Array, capacity: number, make: MakePolicy): number {
  const policy = make(sizes, capacity);
  let misses = 0;
  for (const key of keys) if (!policy.use(key)) misses++;
  return (100 * misses) / keys.length;
}
