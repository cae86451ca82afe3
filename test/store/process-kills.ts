/** Processes with a store over a file, killed at random moments; after each the store is opened again. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { FileBacking, type FileBackingOptions } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { linesUntilKilled } from "../support/killed-process.ts";
import { isPageOf } from "./pages.ts";

export const FILE_OPTIONS: FileBackingOptions = {
  maxBytes: 2 ** 22,
  averageBytes: 2048,
  unclean: "flushed",
};
export const STORE_OPTIONS = { maxBytes: 300_000, pageSize: 4096 } as const;
export const PAGES = 200;

/** What a process reports before a flush, and again after it: the version of each page, 0: none. */
export interface FlushReport {
  readonly flush: "begun" | "ended";
  readonly versions: readonly number[];
}

const CHILD = fileURLToPath(new URL("./process-kill-child.ts", import.meta.url));

/**
 * What is found after each death is what the last flush had, or the one that had begun; every byte is compared.
 *
 * @param path - free.
 * @returns pages that were found, in all.
 */
export async function killProcesses(kills: number, seed: number, path: string): Promise<number> {
  const prng = new Prng(seed);
  let versions: readonly number[] = new Array<number>(PAGES).fill(0);
  let pages = 0;
  for (let kill = 1; kill <= kills; kill++) {
    const reports = await killOne(path, prng.uint32(), prng.below(400));
    const ended = reports.findLast(({ flush }) => flush === "ended");
    const possible = [ended?.versions ?? versions];
    if (reports.at(-1)?.flush === "begun") possible.push((reports.at(-1) as FlushReport).versions);
    versions = await look(path);
    pages += versions.filter((version) => version > 0).length;
    const text = JSON.stringify(versions);
    assert.ok(
      possible.some((one) => JSON.stringify(one) === text),
      `seed ${seed}, kill ${kill}: found ${text}, flushed ${JSON.stringify(possible)}`,
    );
  }
  return pages;
}

async function look(path: string): Promise<number[]> {
  const backing = await FileBacking.open(path, FILE_OPTIONS);
  const store = new PageStore({ ...STORE_OPTIONS, backing });
  const into = new Uint8Array(store.pageSize);
  const versions: number[] = [];
  for (let index = 0; index < PAGES; index++) {
    const result = await store.loadAsync(index, into);
    if (result === "loaded") assert.ok(isPageOf(index, into), `page ${index} has other bytes`);
    versions.push(result === "loaded" ? new DataView(into.buffer).getUint32(4) : 0);
  }
  verify(store);
  await store.close();
  await backing.close();
  return versions;
}

async function killOne(path: string, seed: number, ms: number): Promise<FlushReport[]> {
  const lines = await linesUntilKilled([CHILD, path, String(seed)], ms);
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as FlushReport);
}
