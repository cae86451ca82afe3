/** Processes that work with a file store and are killed at random moments; after each, the file is opened again. */

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FileBacking, type FileBackingOptions } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { linesUntilKilled } from "../support/killed-process.ts";
import { checkRecordOf, keyOf } from "./records.ts";

/** The store that the killed process has, too. */
export const KILL_OPTIONS: FileBackingOptions = {
  maxBytes: 2 ** 20,
  averageBytes: 1024,
  unclean: "flushed",
};
export const KILL_KEYS = 150;

const CHILD = fileURLToPath(new URL("./file-kill-child.ts", import.meta.url));

export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  /** A path that is free. */
  readonly path: string;
  readonly secondsMax?: number;
}

/** What was found after the kills. */
export interface KillReport {
  kills: number;
  records: number;
  flushes: number;
  found: Record<string, number>;
}

/** What a process tells before a flush, and again after it. */
export interface Told {
  readonly flush: "begun" | "ended";
  /** The version of each key that the flush is about, 0: none. */
  readonly versions: readonly number[];
}

/**
 * Kills that many processes, one after the other, on one file. What is found must be exactly the last flush
 * that ended, or the one that had begun; every byte is compared. Now and then the file is opened without the
 * option that keeps flushes: then it must be empty.
 */
export async function killProcesses({ kills, seed, path, secondsMax }: KillOptions): Promise<KillReport> {
  const prng = new Prng(seed);
  const report: KillReport = { kills: 0, records: 0, flushes: 0, found: {} };
  const start = performance.now();
  let versions: readonly number[] = new Array<number>(KILL_KEYS).fill(0);
  while (report.kills < kills) {
    if (secondsMax !== undefined && performance.now() - start > 1000 * secondsMax) break;
    const told = await killOne(path, prng.uint32(), prng.below(400));
    const ended = told.findLast(({ flush }) => flush === "ended");
    const possible = [ended?.versions ?? versions];
    if (told.at(-1)?.flush === "begun") possible.push((told.at(-1) as Told).versions);
    report.flushes += told.filter(({ flush }) => flush === "ended").length;
    report.kills++;
    if (prng.chance(0.15)) {
      versions = await look(path, { ...KILL_OPTIONS, unclean: "empty" }, report);
      assert.ok(
        versions.every((version) => version === 0),
        "a file that was in use is empty, unless told otherwise",
      );
    } else {
      versions = await look(path, KILL_OPTIONS, report);
      const text = JSON.stringify(versions);
      assert.ok(
        possible.some((one) => JSON.stringify(one) === text),
        `seed ${seed}, kill ${report.kills}: found ${text}, flushed ${JSON.stringify(possible)}`,
      );
    }
  }
  rmSync(path, { force: true });
  return report;
}

/** @returns what the process told before it was killed. */
async function killOne(path: string, seed: number, ms: number): Promise<Told[]> {
  const lines = await linesUntilKilled([CHILD, path, String(seed)], ms);
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Told);
}

/** Opens the file and compares all of it. @returns the version of each key. */
async function look(path: string, options: FileBackingOptions, report: KillReport): Promise<number[]> {
  const backing = await FileBacking.open(path, options);
  const found = backing.opened?.found ?? "";
  report.found[found] = (report.found[found] ?? 0) + 1;
  verify(backing);
  const versions: number[] = [];
  for (let number = 0; number < KILL_KEYS; number++) {
    const record = await backing.read(keyOf(number));
    versions.push(record === null ? 0 : checkRecordOf(number, record));
    if (record !== null) report.records++;
  }
  await backing.close();
  return versions;
}
