import { Prng } from "../../src/base/index.ts";

/** What may go wrong in one call. `"never"`: it never answers; `"late"`: it answers after a while. */
export type Fault = "ENOSPC" | "EIO" | "short" | "late" | "never" | "corrupt";

export const FAULTS: readonly Fault[] = ["ENOSPC", "EIO", "short", "late", "never", "corrupt"];

/**
 * Draws faults: the same seed gives the same ones. While it is off, nothing goes wrong, and calls that never
 * answered are let go on.
 */
export class FaultPlan {
  readonly #prng: Prng;
  readonly #faults: readonly Fault[];
  readonly #probability: number;
  readonly #waiting: Set<() => void> = new Set();
  /** How many of each kind were made. */
  readonly made: Record<string, number> = {};
  #isOn = true;
  #skip = 0;

  /** @param probability - that a call goes wrong; 1: every one. */
  constructor(seed: number, faults: readonly Fault[] = FAULTS, probability = 0.2) {
    this.#prng = new Prng(seed);
    this.#faults = faults;
    this.#probability = probability;
  }

  /** Only the call after `calls` others goes wrong. */
  static at(calls: number, fault: Fault, seed = 1): FaultPlan {
    const plan = new FaultPlan(seed, [fault], 1);
    plan.#skip = calls + 1;
    return plan;
  }

  draw(): Fault | null {
    if (!this.#isOn) return null;
    if (this.#skip > 0 && --this.#skip > 0) return null;
    if (!this.#prng.chance(this.#probability)) return null;
    const fault = this.#faults[this.#prng.below(this.#faults.length)];
    this.made[fault] = (this.made[fault] ?? 0) + 1;
    if (this.#probability === 1) this.#isOn = false;
    return fault;
  }

  below(bound: number): number {
    return this.#prng.below(bound);
  }

  /** Waits as long as the fault lasts. */
  async wait(fault: Fault | null): Promise<void> {
    if (fault === "late") await new Promise((resolve) => setTimeout(resolve, 1 + this.below(20)));
    if (fault === "never") await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** Whether something of kind `"never"` still waits. */
  get waits(): boolean {
    return this.#waiting.size > 0;
  }

  stop(): void {
    this.#isOn = false;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  start(): void {
    this.#isOn = true;
  }
}

/** The system's error of a code. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code });
}
