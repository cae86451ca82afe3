/** Processes that have memory in common, and what the command line says of it. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { infoOf, type SharedMemoryInfo } from "../../src/cli/shared-memory.ts";
import { libcIfAny } from "../../src/memory/libc.ts";
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  type SegmentDescription,
  type SegmentHeader,
} from "../../src/memory/segment-header.ts";
import { QUIET, run } from "./command.ts";
import { MAKERS } from "./shared-things.ts";

export const CAN_SHARE: boolean = libcIfAny() !== undefined;
const HOLDER = join(import.meta.dirname, "shared-holder.ts");
export const folder: string = temporaryFolder("shared");
let count = 0;

/** Whatever is made under a path of this goes with the process. */
export function freshPath(): string {
  return join(folder, `memory-${count++}`);
}

export interface Holder {
  readonly pid: number;
  readonly child: ChildProcess;
  end(signal?: NodeJS.Signals): Promise<void>;
}

const holders = new Set<Holder>();
after(async () => {
  for (const holder of holders) await holder.end("SIGKILL");
});

/** Starts a process that has something under a name, and waits until it has. */
export async function hold(what: string, name: string, how = ""): Promise<Holder> {
  const child = spawn(process.execPath, [QUIET, HOLDER, what, name, how], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  const [said] = (await Promise.race([once(child.stdout, "data"), closed])) as [unknown];
  assert.equal(String(said), "ready\n");
  const holder = {
    pid: child.pid as number,
    child,
    async end(signal?: NodeJS.Signals) {
      holders.delete(holder);
      if (signal === undefined) child.stdin.end();
      else child.kill(signal);
      await closed;
    },
  };
  holders.add(holder);
  return holder;
}

/** Leaves something under a path that no process is at. */
export async function left(what: string, path: string = freshPath()): Promise<string> {
  const thing = await MAKERS[what](path);
  await thing.close();
  return path;
}

export async function said(args: readonly string[], flags: string[] = []): Promise<string> {
  const { code, stdout, stderr } = await run(args, { flags });
  assert.deepEqual([code, stderr], [0, ""], stdout);
  return stdout;
}

export async function refused(
  args: readonly string[],
  code: number,
  why: RegExp,
  flags: string[] = [],
): Promise<void> {
  const ended = await run(args, { flags });
  assert.match(ended.stderr, why);
  assert.equal(ended.stderr.trim().split("\n").length, 1, "one line");
  assert.equal(ended.code, code);
}

/** What `zbud list` says of a path. */
export function infoAt(path: string): SharedMemoryInfo {
  const info = infoOf(path, path);
  assert.ok(info);
  return info;
}

export function headerOf(path: string): SegmentHeader {
  return decodeSegmentHeader(readFileSync(path)) as SegmentHeader;
}

export function changeHeader(path: string, change: (description: SegmentDescription) => object): void {
  const { description, ...header } = headerOf(path);
  const changed = { ...description, ...change(description) };
  writeAt(path, 0, encodeSegmentHeader({ ...header, description: changed }));
}

export function writeAt(path: string, at: number, bytes: Uint8Array): void {
  const whole = readFileSync(path);
  whole.set(bytes, at);
  writeFileSync(path, whole, { flag: "r+" });
}

/** Writes over the count of entries that the first shard of a cache or store has. */
export function writeEntries(path: string, entries: number): void {
  const { areas, shared } = headerOf(path).description;
  const [table] = (shared as { engine: { tables: { $buffer: number }[] } }).engine.tables;
  writeAt(path, areas[table.$buffer].offset + 4 * 20, new Uint8Array(new Uint32Array([entries]).buffer));
}

/** All that could be changed in a file. */
export function stateOf(path: string): object {
  const { mtimeMs, blocks, size, mode } = statSync(path);
  return { mtimeMs, blocks, size, mode, hash: createHash("sha1").update(readFileSync(path)).digest("hex") };
}
