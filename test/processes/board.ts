/** What a test and its processes have in common beside what is tested: memory, a gate, and who has done how much. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REGISTRY_WORDS } from "../../src/base/index.ts";
import { Segment } from "../../src/memory/index.ts";

/** The most processes of one group. */
export const SLOTS = 64;

const MEMORY_FOLDER = "/dev/shm";
/** How long a process rests before it looks at the gate again. */
const REST_MS = 1;
/** After so many steps a process looks whether whoever started it is still there. */
const PARENT_EVERY = 500;

// Words of a group.
const W_GATE = 0;
const W_STOP = 1;
const W_PARKED = 16;
const W_DONE: number = W_PARKED + SLOTS;
/** Words that a group takes. */
export const GROUP_WORDS: number = W_DONE + SLOTS;

const folders: string[] = [];

/** A new folder in the file system that is memory; it goes when this process ends. */
export function memoryFolder(name: string): string {
  if (folders.length === 0) {
    process.once("exit", () => {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    });
  }
  const parent = existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir();
  const folder = mkdtempSync(join(parent, `zbud-test-${name}-`));
  folders.push(folder);
  return folder;
}

/** Memory of so many bytes that whoever gives this path has. The first one makes it, all zeros. */
export function openBoard(path: string, bytes: number): SharedArrayBuffer {
  const wish = {
    name: path,
    kind: "board",
    layout: "1",
    agreement: { bytes },
    whenDifferent: "reject",
  } as const;
  return Segment.open(
    wish,
    (segment) => {
      // Behind it a table of threads, which every segment has; nobody enters.
      const at = Math.ceil(bytes / 4);
      const buffer = segment.buffer(4 * (at + REGISTRY_WORDS));
      return { made: buffer, shared: { buffer }, threads: [new Int32Array(buffer), at] };
    },
    (shared) => (shared as { buffer: SharedArrayBuffer }).buffer,
  ).made;
}

/** Blocks this thread for so long. */
export function rest(ms: number = REST_MS): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** One process's side of a group. */
export class Member {
  readonly #words: Int32Array;
  readonly #slot: number;
  readonly #parent: number = process.ppid;
  #steps = 0;

  constructor(words: Int32Array, slot: number) {
    this.#words = words;
    this.#slot = slot;
  }

  /** Reports progress, and rests here while the gate is closed. False: it is time to end. */
  goesOn(done: number): boolean {
    Atomics.store(this.#words, W_DONE + this.#slot, done + 1);
    if (++this.#steps % PARENT_EVERY === 0 && process.ppid !== this.#parent) process.exit(3);
    for (;;) {
      const gate = Atomics.load(this.#words, W_GATE);
      // Odd: closed. The number says which closing this process has seen, so an old rest is not taken for one.
      if ((gate & 1) === 0) break;
      Atomics.store(this.#words, W_PARKED + this.#slot, gate);
      if (process.ppid !== this.#parent) process.exit(3);
      rest();
    }
    return Atomics.load(this.#words, W_STOP) === 0;
  }
}

/** The starter's side of a group. */
export class Gate {
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  close(): number {
    return Atomics.add(this.#words, W_GATE, 1) + 1;
  }

  open(): void {
    Atomics.add(this.#words, W_GATE, 1);
  }

  rests(slot: number, gate: number): boolean {
    return Atomics.load(this.#words, W_PARKED + slot) === gate;
  }

  stop(): void {
    Atomics.store(this.#words, W_STOP, 1);
  }

  resume(): void {
    Atomics.store(this.#words, W_STOP, 0);
  }

  /** 1 + the steps that a process has reported; 0 before it begins. */
  doneBy(slot: number): number {
    return Atomics.load(this.#words, W_DONE + slot);
  }

  forget(slot: number): void {
    Atomics.store(this.#words, W_DONE + slot, 0);
    Atomics.store(this.#words, W_PARKED + slot, 0);
  }
}
