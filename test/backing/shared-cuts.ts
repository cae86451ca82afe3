import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FileBacking, type FileBackingOptions } from "../../src/backing/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { checkRecordOf, keyOf } from "./records.ts";

export const CUT_OPTIONS: FileBackingOptions = {
  maxBytes: 2 ** 18,
  averageBytes: 1024,
  unclean: "flushed",
};
const KEYS = 4;

/** What a process tells before and after each change; version 0: it deletes the key. */
export interface Told {
  readonly begun: boolean;
  readonly number: number;
  readonly version: number;
}

const CHILD = fileURLToPath(new URL("./shared-cut-child.ts", import.meta.url));

/**
 * Lets a process die at one of its calls of the file, and looks with what the next one goes on: with all that was
 * done, to the last byte.
 *
 * @param cut - at which call, counted from 1, each twice: before and after it is done.
 * @returns false: it came to its end before.
 */
export async function cutOne(
  path: string,
  shared: string,
  cut: number,
  versions: number[],
  next: "shared" | "alone" | "restart",
): Promise<boolean> {
  const flags = ["--disable-warning=ExperimentalWarning"];
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, CHILD, path, shared, String(cut)],
    { encoding: "utf8" },
  );
  assert.ok(status === 0 || signal === "SIGKILL", `${status} ${signal} ${stderr}`);
  const possible = versions.map((version) => new Set([version]));
  for (const line of stdout.split("\n").slice(0, -1)) {
    const told = JSON.parse(line) as Told | { found: number[] };
    if ("found" in told) {
      assert.deepEqual(told.found, versions, `cut ${cut}: it begins with what the one before left`);
      continue;
    }
    const { begun, number, version } = told;
    // A key that is being written has nothing, from the call on.
    if (begun) possible[number].add(0).add(version);
    else possible[number] = new Set([version]);
  }
  const options = next === "alone" ? CUT_OPTIONS : { ...CUT_OPTIONS, shared };
  if (next === "restart") rmSync(shared, { force: true });
  const backing = await FileBacking.open(path, options);
  try {
    verify(backing);
    for (let number = 0; number < KEYS; number++) {
      const record = await backing.read(keyOf(number));
      versions[number] = record === null ? 0 : checkRecordOf(number, record);
      // Without the memory it is what was flushed.
      if (next === "shared") {
        assert.ok(
          possible[number].has(versions[number]),
          `key ${number}: ${versions[number]} is none of ${[...possible[number]]}; ${backing.opened?.found}`,
        );
      }
    }
  } finally {
    await backing.close();
  }
  return signal === "SIGKILL";
}
