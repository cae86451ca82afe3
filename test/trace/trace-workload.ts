/** What the trace tests share. */

import { readdirSync, readFileSync } from "node:fs";
import type { Handle, Prng } from "../../src/base/index.ts";
import { ZbudPool } from "../../src/drivers/index.ts";
import type { Pool } from "../../src/pool/index.ts";
import { record } from "../../src/trace/index.ts";

const FIXTURES = new URL("../fixtures/traces/", import.meta.url);

/** Names of the recorded traces. */
export const fixtureNames: string[] = readdirSync(FIXTURES).filter((name) => name.endsWith(".jsonl"));

export function fixtureText(name: string): string {
  return readFileSync(new URL(name, FIXTURES), "utf8");
}

/** Records into a list of lines. */
export function recordInto(pool: Pool, lines: string[]): { stop(): void } {
  return record(pool, (line) => lines.push(line));
}

/** What a handler of {@link Workload} does. */
export const HANDLER_ACTS = [
  "free",
  "reject",
  "lie",
  "freeOther",
  "alloc",
  "reclaim",
  "freeThenRefuse",
  "throw",
] as const;
export type HandlerAct = (typeof HANDLER_ACTS)[number];

/** Random operations on one pool; its handler does what `acts` allow. */
export class Workload {
  pool: Pool | null = null;
  readonly #prng: Prng;
  readonly #acts: readonly HandlerAct[];
  readonly #live = new Set<Handle>();
  readonly #maxSize: number;
  #depth = 0;

  constructor(prng: Prng, acts: readonly HandlerAct[], maxSize: number) {
    this.#prng = prng;
    this.#acts = acts;
    this.#maxSize = maxSize;
  }

  step(): void {
    const choice = this.#prng.below(16);
    if (choice < 9) this.#alloc();
    else if (choice < 13) this.#freeOne();
    else if (choice < 15) this.#reclaim();
    else this.#attempt(() => this.#allocSize([0, -1, this.#maxSize + 1, 2 ** 31][this.#prng.below(4)]));
  }

  /** To be given to the pool as its evict handler. */
  evict(handle: Handle): boolean {
    this.#depth++;
    try {
      const act = this.#acts[this.#prng.below(this.#acts.length)];
      if (act === "reject" || act === "lie") return act === "lie";
      if (act === "freeOther") this.#freeOne();
      if (act === "alloc") this.#alloc();
      if (act === "reclaim" && this.#depth < 3) this.#reclaim();
      if (act === "throw") throw new RangeError("a handler's own");
      if (this.#live.has(handle)) this.#free(handle);
      if (act === "alloc") this.#alloc();
      return act !== "freeThenRefuse";
    } finally {
      this.#depth--;
    }
  }

  #alloc(): void {
    this.#allocSize(1 + this.#prng.below(this.#maxSize));
  }

  #allocSize(size: number): void {
    const handle = (this.pool as Pool).alloc(size);
    if (typeof handle === "number") this.#live.add(handle);
  }

  #freeOne(): void {
    if (this.#live.size > 0) this.#free([...this.#live][this.#prng.below(this.#live.size)]);
  }

  #free(handle: Handle): void {
    this.#live.delete(handle);
    (this.pool as Pool).free(handle);
  }

  #reclaim(): void {
    const pool = this.pool as Pool;
    const count = this.#prng.below(5);
    this.#attempt(() => (pool instanceof ZbudPool ? pool.reclaimPage(count) : pool.shrinkPages(count)));
  }

  #attempt(operation: () => unknown): void {
    try {
      operation();
    } catch (error) {
      if (!(error instanceof RangeError) && !/EINVAL/.test(String(error))) throw error;
    }
  }
}
