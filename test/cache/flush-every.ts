/** Processes that have a cache with `flushEvery` on a file and are killed; what each finds is compared with the last one. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { FileBackingOptions } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { linesUntilKilled } from "../support/killed-process.ts";

export const KEYS = 120;
export const TAGS = 7;
export const FLUSH_EVERY = 25;
export const OPTIONS: FileBackingOptions = { maxBytes: 2 ** 23, averageBytes: 512, unclean: "flushed" };

const CHILD = fileURLToPath(new URL("./flush-every-child.ts", import.meta.url));
/** Changes of one process, at most. */
const CHANGES_MAX = 2 ** 20;

/** What a process tells: the version that it found of each key, 0 for none; a change that it is about to make; a flush. */
export type Told =
  | { readonly found: readonly number[] }
  | { readonly keys: readonly number[]; readonly version: number; readonly isSet: boolean }
  | { readonly flushed: number };

export function textOf(key: number, version: number): string {
  return `${key} ${version} ${"some text ".repeat(version % 40)}`;
}

/** The version of a key's value, which must be a value of that key; 0 for none. */
export function versionOf(key: number, value: string | undefined): number {
  if (value === undefined) return 0;
  const version = Number(value.split(" ")[1]);
  assert.equal(value, textOf(key, version));
  return version;
}

/** What may be found of a key after a kill. */
interface Possible {
  /** The version that all flushes up to the last one had, 0: none. */
  flushed: number;
  /** The versions that came after that one. */
  later: number[];
}

/** @returns how many flushes there were, and how many values were found, in all processes together. */
export async function killCaches(
  path: string,
  kills: number,
  seed: number,
): Promise<{ flushes: number; values: number }> {
  const prng = new Prng(seed);
  const report = { flushes: 0, values: 0 };
  let possible: Possible[] = Array.from({ length: KEYS }, () => ({ flushed: 0, later: [] }));
  for (let kill = 0; kill < kills; kill++) {
    const first = kill * CHANGES_MAX;
    const lines = await linesUntilKilled([CHILD, path, `${prng.uint32()}`, `${first}`], prng.below(500));
    const told = lines.map((line) => JSON.parse(line) as Told);
    for (const one of told) {
      if (!("found" in one)) continue;
      one.found.forEach((version, key) => {
        const { flushed, later } = possible[key];
        // What was changed after the last flush may be there, or not be there yet.
        const isRight = version === flushed || later.includes(version) || (version === 0 && later.length > 0);
        assert.ok(
          isRight,
          `seed ${seed}, kill ${kill}: version ${version} of ${key}, not ${flushed} or ${later}`,
        );
        if (version !== 0) report.values++;
      });
      possible = one.found.map((flushed) => ({ flushed, later: [] }));
    }
    const flushed = told.findLast((one) => "flushed" in one)?.flushed ?? first;
    for (const one of told) {
      if (!("keys" in one)) continue;
      for (const key of one.keys) {
        const version = one.isSet ? one.version : 0;
        if (one.version <= flushed) possible[key] = { flushed: version, later: [] };
        else possible[key].later.push(version);
      }
    }
    report.flushes += told.filter((one) => "flushed" in one).length;
  }
  return report;
}
