/**
 * What a file as second tier costs a cache that is full: a burst of sets that waits for nothing, and sets at a steady
 * pace, with what will be evicted written ahead and without.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { temporaryFolder } from "../scripts/tools.ts";
import { FileBacking } from "../src/backing/index.ts";
import { CompressedCache } from "../src/cache/index.ts";
import { type BenchOptions, median, type TimedRow } from "./harness.ts";

const BURST = 20_000;
/** Sets in one turn of the event loop, at a steady pace. */
const TURN_SETS = 20;

/** Some 1000 characters, of which LZ4 leaves 700 bytes. */
function text(seed: number): string {
  let made = "";
  for (let x = Math.imul(seed, 0x9e37_79b1) >>> 0; made.length < 1000; ) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    made += x.toString(36);
  }
  return made;
}

export async function run({ seed, quick, log }: BenchOptions): Promise<TimedRow[]> {
  const folder = temporaryFolder("bench-tier");
  const texts = Array.from({ length: 2000 }, (_, i) => text(seed + i));
  const rounds = quick ? 1 : 5;
  const burst: Record<"file" | "none", number[]> = { file: [], none: [] };
  const steady: Record<"ahead" | "not ahead", number[]> = { ahead: [], "not ahead": [] };
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    const path = join(folder, `${round}`);
    const { ns, failed } = await burstOf(quick ? 4000 : BURST, texts, path);
    burst.file.push(ns);
    lost += failed;
    burst.none.push((await burstOf(quick ? 4000 : BURST, texts, null)).ns);
    steady.ahead.push(await steadily(quick ? 300 : 5000, texts, `${path}-a`, undefined));
    steady["not ahead"].push(await steadily(quick ? 300 : 5000, texts, `${path}-b`, 0));
  }
  rmSync(folder, { recursive: true });
  log(`${lost} of ${rounds} bursts' values were lost`);
  const name = `${TURN_SETS} sets a turn, ${texts[0].length} characters, event loop p99`;
  return [
    row("a burst of sets", burst.file, "no file", burst.none, "ns/op"),
    row(name, steady.ahead, "not written ahead", steady["not ahead"], "ms"),
  ];
}

function row(
  name: string,
  ours: readonly number[],
  peer: string,
  theirs: readonly number[],
  unit: string,
): TimedRow {
  const [least, other] = [Math.min(...ours), Math.min(...theirs)];
  return {
    suite: "tier",
    case: name,
    ours: least,
    peer,
    theirs: other,
    unit,
    ratio: least / other,
    median: { ours: median([...ours]), theirs: median([...theirs]) },
  };
}

/** What a set took, and how many values a full cache lost of so many that are set in one turn of the event loop. */
async function burstOf(
  count: number,
  texts: readonly string[],
  path: string | null,
): Promise<{ ns: number; failed: number }> {
  const backing =
    path === null ? undefined : await FileBacking.open(path, { maxBytes: "256MiB", averageBytes: 1024 });
  const cache = new CompressedCache<string>({
    maxBytes: "4MiB",
    ...(backing === undefined ? {} : { backing }),
  });
  for (let i = 0; i < 5000; i++) {
    cache.set(`before ${i}`, texts[i % texts.length]);
    if (i % 100 === 0) await cache.flush();
  }
  const start = performance.now();
  for (let i = 0; i < count; i++) cache.set(`burst ${i}`, texts[i % texts.length]);
  const ns = ((performance.now() - start) * 1e6) / count;
  await cache.flush();
  const { backingWritesFailed } = cache.stats();
  cache.close();
  await backing?.close();
  return { ns, failed: backingWritesFailed };
}

/** The 99th percentile of the event loop's delay, in ms, while a full cache is set to all the time. */
async function steadily(
  ms: number,
  texts: readonly string[],
  path: string,
  maxWriteBytesPerSecond: number | undefined,
): Promise<number> {
  const backing = await FileBacking.open(path, {
    maxBytes: "256MiB",
    averageBytes: 1024,
    whenFull: "drop",
  });
  const cache = new CompressedCache<string>({ maxBytes: "16MiB", backing, maxWriteBytesPerSecond });
  for (let i = 0; i < 40_000; i++) {
    cache.set(`before ${i}`, texts[i % texts.length]);
    if (i % 500 === 0) await cache.flush();
  }
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (let start = performance.now(), i = 0; performance.now() - start < ms; ) {
    for (let end = i + TURN_SETS; i < end; i++) cache.set(`steady ${i}`, texts[i % texts.length]);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  delay.disable();
  cache.close();
  await backing.close();
  return delay.percentile(99) / 1e6;
}
