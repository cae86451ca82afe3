/**
 * How much of real data a pool of each driver holds: compressed sizes of four kinds of data, stored in pools, after
 * a fill and after a random half was freed. Effective ratios count pages, all metadata, and what is kept raw because
 * it does not compress or does not fit.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Handle, Prng } from "../src/base/index.ts";
import { type Codec, getCodec } from "../src/codecs/index.ts";
import { type CreatePoolOptions, createPool, fitPageSizes, registerBuiltIns } from "../src/drivers/index.ts";
import { hasDriver, type Pool } from "../src/pool/index.ts";
import { realData, sourceText, spread } from "./codec-data.ts";
import type { BenchOptions, Row } from "./harness.ts";

registerBuiltIns();

const SUITE = "density";
const KIB = 1024;
const EVICTIONS = 1000;
/** Page sizes are fitted to so many of the sizes, as a user would. */
const SAMPLE = 5000;

/** Declarations besides those that other suites use: of the browsers' interfaces, and of a large package. */
const MORE_TEXT = [`@typescript/typescript-${process.platform}-${process.arch}`, "playwright-core"];

/** One kind of data, compressed in one way. */
interface Sizes {
  kind: string;
  codec: string;
  unit: number;
  /** Of each unit that compresses. */
  sizes: Uint32Array;
  /** Units, those that do not compress included. */
  units: number;
}

/** A way to store them. */
interface Way {
  name: string;
  driver: string;
  options: Partial<CreatePoolOptions>;
}

/** What a pool holds at one moment. */
interface Held {
  ratio: number;
  codecRatio: number;
  objectsPerPage: number;
  /** Pages, and bytes of them, that 1,000 evictions give back. */
  pages: number;
  bytes: number;
}

type Moment = "full" | "half freed";

export async function run({ seed, quick, log }: BenchOptions): Promise<Row[]> {
  const bytes = (quick ? 512 : 6 * KIB) * KIB;
  const data = await realData(quick ? bytes : 3 * KIB * KIB, log);
  data.set("source text", spread(sourceText(MORE_TEXT), bytes));
  data.set("JSON", spread(jsonText(), bytes));
  const objects = quick ? 2000 : 100_000;
  const rows: Row[] = [];
  for (const [kind, content] of data) {
    for (const codec of ["lz4", "zstd"]) {
      for (const unit of [4096, 16_384]) {
        log(`${kind}, ${codec}, ${unit / KIB} KiB units`);
        const sizes = compressedSizes(getCodec(codec), content, unit);
        rows.push(...rowsOf({ kind, codec, unit, ...sizes }, objects, seed));
      }
    }
  }
  return rows;
}

function jsonText(): Buffer {
  return readFileSync(createRequire(import.meta.url).resolve("@mdn/browser-compat-data"));
}

function compressedSizes(codec: Codec, data: Buffer, unit: number): { sizes: Uint32Array; units: number } {
  const units = Math.floor(data.length / unit);
  const target = new Uint8Array(unit);
  const sizes: number[] = [];
  for (let i = 0; i < units; i++) {
    const size = codec.compress(data.subarray(i * unit, (i + 1) * unit), target);
    if (size > 0) sizes.push(size);
  }
  return { sizes: Uint32Array.from(sizes), units };
}

function waysFor({ sizes, unit }: Sizes): Way[] {
  const plain = ["zbud", "slots", "zsmalloc", "log"].filter(hasDriver);
  const sample = sizes.subarray(0, SAMPLE);
  return [
    ...plain.map((driver) => ({ name: driver, driver, options: { pageSize: unit } })),
    ...[1, 2, 3, 4].map((count) => {
      const { pageSizes } = fitPageSizes(sample, { count });
      return { name: `size-classes fitted ${count}`, driver: "size-classes", options: { pageSizes } };
    }),
  ];
}

function rowsOf(data: Sizes, objects: number, seed: number): Row[] {
  const { kind, codec, unit } = data;
  const what = `${kind}, ${codec}, ${unit / KIB} KiB`;
  const held = new Map(waysFor(data).map((way) => [way.name, measure(data, way, objects, seed)]));
  const rows: Row[] = [];
  const add = (name: string, ours: number, peer: string, theirs: number, counts: string): void => {
    rows.push({
      suite: SUITE,
      case: `${what}: ${name}`,
      ours,
      peer,
      theirs,
      unit: counts,
      ratio: ours / theirs,
    });
  };
  const zbud = held.get("zbud") as Record<Moment, Held>;
  for (const moment of ["full", "half freed"] as const) {
    for (const [name, all] of held) {
      const { ratio, codecRatio, objectsPerPage, pages, bytes } = all[moment];
      const goal = moment === "full" ? goalOf(name, data) : "";
      add(`${name}, ${moment}${goal}`, ratio, "codec alone", codecRatio, "times");
      if (name.includes("fitted")) {
        add(
          `${name}, ${moment}, freed by ${EVICTIONS} evictions`,
          bytes / KIB,
          "zbud",
          zbud[moment].bytes / KIB,
          "KiB",
        );
      } else if (name !== "zbud") {
        add(`${name}, ${moment}`, objectsPerPage, "zbud", zbud[moment].objectsPerPage, "objects/page");
        add(
          `${name}, ${moment}, freed by ${EVICTIONS} evictions`,
          pages,
          "zbud",
          zbud[moment].pages,
          "pages",
        );
      }
    }
    const slots = held.get("slots");
    const zsmalloc = held.get("zsmalloc");
    if (slots !== undefined && zsmalloc !== undefined) {
      const isGoal = unit === 4096 && (kind === "process memory" || kind === "source text");
      const goal = isGoal ? (moment === "full" ? " (goal ≥ 0.97)" : " (goal > 1)") : "";
      add(`slots, ${moment}${goal}`, slots[moment].ratio, "zsmalloc", zsmalloc[moment].ratio, "times");
    }
  }
  return rows;
}

/** The share of the codec's ratio that is to be reached. */
function goalOf(name: string, { kind, codec }: Sizes): string {
  if (name === "zsmalloc") return " (goal ≥ 0.92)";
  const isEven = kind === "source text" || kind === "binary";
  if (name === "size-classes fitted 1" && isEven) return " (goal ≥ 0.80)";
  if (name !== "size-classes fitted 4") return "";
  if (codec === "lz4" || isEven) return " (goal ≥ 0.88)";
  return kind === "process memory" ? " (goal ≥ 0.80)" : "";
}

function measure(data: Sizes, way: Way, objects: number, seed: number): Record<Moment, Held> {
  const { sizes, units, unit } = data;
  // The units over and over, until there are so many objects; with each round the raw ones of that round.
  const rawUnits = Math.round((objects * (units - sizes.length)) / sizes.length);
  const limit = "pageSizes" in way.options ? { maxBytes: 2 * objects * unit } : { maxPages: objects };
  let evictions = 0;
  const onEvict = (handle: Handle, pool: Pool): boolean => {
    evictions++;
    pool.free(handle);
    return true;
  };
  const fill = (): { pool: Pool; handles: Float64Array; unfit: number } => {
    const pool = createPool(way.driver, { ...limit, ...way.options, onEvict });
    const handles = new Float64Array(objects);
    let unfit = 0;
    for (let i = 0; i < objects; i++) {
      const size = sizes[i % sizes.length];
      const handle = pool.alloc(size);
      if (handle === "ENOMEM") throw new Error(`${way.name} is full after ${i} of ${objects} objects`);
      if (handle === "ENOSPC") unfit++;
      else handles[i] = handle;
    }
    return { pool, handles, unfit };
  };
  const look = (filled: ReturnType<typeof fill>, raw: number): Held => {
    const { pool, unfit } = filled;
    const { objects: held, pageBytes, metadataBytes, density, objectBytes } = pool.stats();
    const all = (held + unfit + raw) * unit;
    evictions = 0;
    let pages = 0;
    let released = 0;
    while (evictions < EVICTIONS) {
      const before = pool.totalBytes;
      const { reclaimed } = pool.shrinkPages(1);
      if (reclaimed === 0) break;
      pages += reclaimed;
      released += before - pool.totalBytes;
    }
    const codecBytes = objectBytes + unfitBytes(sizes, pool) * unfit;
    const perEviction = EVICTIONS / Math.max(evictions, 1);
    return {
      ratio: all / (pageBytes + metadataBytes + (unfit + raw) * unit),
      codecRatio: all / (codecBytes + raw * unit),
      objectsPerPage: density,
      pages: pages * perEviction,
      bytes: released * perEviction,
    };
  };
  const full = fill();
  const atFull = look(full, rawUnits);
  full.pool.close();

  const half = fill();
  const prng = new Prng(seed);
  for (const handle of half.handles) if (handle !== 0 && prng.chance(0.5)) half.pool.free(handle as Handle);
  const atHalf = look({ ...half, unfit: half.unfit >>> 1 }, rawUnits >>> 1);
  half.pool.close();
  return { full: atFull, "half freed": atHalf };
}

/** The mean size of those that no page takes. */
function unfitBytes(sizes: Uint32Array, { maxObjectBytes }: Pool): number {
  const unfit = sizes.filter((size) => size > maxObjectBytes);
  return unfit.length === 0 ? 0 : unfit.reduce((sum, size) => sum + size, 0) / unfit.length;
}
