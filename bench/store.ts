import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../scripts/tools.ts";
import { getCodec } from "../src/codecs/index.ts";
import { registerBuiltIns } from "../src/drivers/index.ts";
import { driverTypes } from "../src/pool/index.ts";
import { PageStore } from "../src/store/index.ts";
import { realData } from "./codec-data.ts";
import {
  type BenchOptions,
  type Contender,
  compileC,
  type RoundResult,
  type Row,
  race,
  runC,
  timeRows,
} from "./harness.ts";
import { loopRows } from "./store-loop.ts";
import { threadRows } from "./store-threads.ts";

registerBuiltIns();

const SUITE = "store";
const PAGE = 4096;
/** Passes over the data in one round of a contender, after one untimed; the fastest counts. */
const PASSES = 3;

/**
 * The page store against the same pipeline in C (liblz4 and zbud) and against the codec alone, on real pages;
 * same-filled pages; memory; two threads against one; the event loop under writeback.
 */
export async function run({ quick, seed, log }: BenchOptions): Promise<Row[]> {
  const folder = temporaryFolder("bench-store");
  const program = compileC(join(import.meta.dirname, "native/store.c"), ["-llz4"], log);
  const rows: Row[] = [];
  const rounds = quick ? 1 : 9;
  const data = await realData(quick ? 65_536 : 2 ** 21, log);
  for (const [kind, bytes] of data) {
    const pages = pagesOf(bytes);
    const file = join(folder, kind.replace(" ", "-"));
    writeFileSync(file, bytes);
    log(kind);
    for (const way of ["store", "load"] as const) {
      const contenders = [ours(pages, way), codecAlone(pages, way)];
      if (program !== null) {
        contenders.splice(1, 0, {
          name: "liblz4 + zbud in C",
          round: () => runC(program, [file, way, PASSES]),
        });
      }
      const timings = race(contenders, { operations: pages.length, rounds, warmups: 1, seed });
      rows.push(...timeRows(SUITE, `${way}, ${kind}`, timings));
    }
    for (const driver of driverTypes()) rows.push(memoryRow(pages, kind, driver, quick));
  }
  rows.push(...sameFilledRows(quick, seed));
  const [pages] = [...data.values()].map(pagesOf);
  rows.push(...(await threadRows(pages, quick, log)));
  rows.push(...(await loopRows(pages, folder, quick)));
  return rows;
}

function pagesOf(data: Buffer): Buffer[] {
  return Array.from({ length: data.length / PAGE }, (_, i) => data.subarray(i * PAGE, (i + 1) * PAGE));
}

function ours(pages: readonly Buffer[], way: "store" | "load"): Contender {
  const store = new PageStore({ maxBytes: "64MiB", driver: "zbud" });
  const into = new Uint8Array(PAGE);
  const storeAll = (): void => {
    for (let i = 0; i < pages.length; i++) store.store(i, pages[i]);
  };
  const loadAll = (): void => {
    for (let i = 0; i < pages.length; i++) store.load(i, into);
  };
  storeAll();
  return {
    name: "PageStore",
    round: () => fastest(way === "store" ? storeAll : loadAll, () => checksumOf(pages.length, into, store)),
  };
}

/** What the codec takes for the same pages, into and out of arrays. */
function codecAlone(pages: readonly Buffer[], way: "store" | "load"): Contender {
  const lz4 = getCodec("lz4");
  const target = new Uint8Array(lz4.maxCompressedLength(PAGE));
  const into = new Uint8Array(PAGE);
  const blocks = pages.map((page) => target.slice(0, lz4.compress(page, target)));
  const compressAll = (): void => {
    for (const page of pages) lz4.compress(page, target);
  };
  const decompressAll = (): void => {
    for (const block of blocks) lz4.decompress(block, into);
  };
  const load = (i: number): void => {
    lz4.decompress(blocks[i], into);
  };
  return {
    name: "the codec alone",
    round: () =>
      fastest(way === "store" ? compressAll : decompressAll, () => checksum(pages.length, into, load)),
  };
}

function fastest(pass: () => void, check: () => number): RoundResult {
  let ns = Number.POSITIVE_INFINITY;
  pass();
  for (let i = 0; i < PASSES; i++) {
    const start = process.hrtime.bigint();
    pass();
    ns = Math.min(ns, Number(process.hrtime.bigint() - start));
  }
  return { checksum: check(), ns };
}

function checksumOf(count: number, into: Uint8Array, store: PageStore): number {
  return checksum(count, into, (i) => store.load(i, into));
}

/** What native/store.c computes too: of three bytes of each page. */
function checksum(count: number, into: Uint8Array, load: (i: number) => void): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    load(i);
    sum = Math.imul(sum ^ (into[0] ^ (into[PAGE >> 1] << 8) ^ (into[PAGE - 1] << 16)), 0x01000193);
  }
  return sum >>> 0;
}

/** Pages filled with one word: no codec is asked. Against keeping a copy of each. */
function sameFilledRows(quick: boolean, seed: number): Row[] {
  const count = quick ? 100 : 4096;
  const pages = Array.from({ length: 64 }, (_, i) => new Uint8Array(PAGE).fill(i));
  const into = new Uint8Array(PAGE);
  const store = new PageStore({ maxBytes: "16MiB" });
  const copies = Array.from({ length: count }, () => new Uint8Array(PAGE));
  const passes = {
    store: [
      () => {
        for (let i = 0; i < count; i++) store.store(i, pages[i & 63]);
      },
      () => {
        for (let i = 0; i < count; i++) copies[i].set(pages[i & 63]);
      },
    ],
    load: [
      () => {
        for (let i = 0; i < count; i++) store.load(i, into);
      },
      () => {
        for (let i = 0; i < count; i++) into.set(copies[i]);
      },
    ],
  };
  return Object.entries(passes).flatMap(([way, [own, copy]]) => {
    const contenders = [
      { name: "PageStore", round: () => fastest(own, () => count) },
      { name: "a copy of the page", round: () => fastest(copy, () => count) },
    ];
    const timings = race(contenders, { operations: count, rounds: quick ? 1 : 7, warmups: 1, seed });
    return timeRows(SUITE, `${way}, same-filled`, timings);
  });
}

/** What the pages take in memory, index and metadata included, against what the codec made of them. */
/** All that a full store takes, tables included, against what its pages are compressed. */
function memoryRow(pages: readonly Buffer[], kind: string, driver: string, quick: boolean): Row {
  const store = new PageStore({ maxBytes: quick ? "1MiB" : "32MiB", driver });
  let count = 0;
  // Without a backing store a full store refuses.
  while (store.store(count, pages[count % pages.length]) === "stored") count++;
  const { storedPages, comprDataSize } = store.stats();
  const { bytesReserved } = store;
  store[Symbol.dispose]();
  return {
    suite: SUITE,
    case: `memory a page, full, ${kind}, ${driver}`,
    ours: bytesReserved / storedPages,
    peer: "compressed bytes",
    theirs: comprDataSize / storedPages,
    unit: "bytes",
    ratio: bytesReserved / comprDataSize,
  };
}
