/** The arithmetic on masks of slots, against what one sees by looking at slot after slot. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng } from "../../../src/base/index.ts";
import {
  firstBit,
  HIGH_BITS,
  LOW_BITS,
  longestRun,
  RUN_LENGTH_SHIFT,
  RUN_REST_SHIFT,
  runAround,
  tightestRun,
} from "../../../src/drivers/slots/runs.ts";

const SLOTS = 64;
const MASKS = 100_000;

interface Run {
  start: number;
  length: number;
}

/** Masks with runs of all lengths: each slot is like the one before, or drawn anew. */
function* masks(): Generator<boolean[]> {
  yield Array<boolean>(SLOTS).fill(false);
  yield Array<boolean>(SLOTS).fill(true);
  for (let edge = 0; edge < SLOTS; edge++) {
    yield Array.from({ length: SLOTS }, (_, slot) => slot === edge);
    yield Array.from({ length: SLOTS }, (_, slot) => slot !== edge);
    yield Array.from({ length: SLOTS }, (_, slot) => slot < edge);
    yield Array.from({ length: SLOTS }, (_, slot) => slot >= edge);
  }
  const prng = new Prng(20);
  for (let i = 0; i < MASKS; i++) {
    const chance = prng.below(101) / 100;
    let bit = prng.chance(0.5);
    yield Array.from({ length: SLOTS }, () => {
      if (prng.chance(chance)) bit = prng.chance(0.5);
      return bit;
    });
  }
}

function wordsOf(mask: readonly boolean[]): [low: number, high: number] {
  const words: [number, number] = [0, 0];
  for (const [slot, bit] of mask.entries()) if (bit) words[slot >> 5] |= 1 << (slot & 31);
  return words;
}

function runsOf(mask: readonly boolean[]): Run[] {
  const runs: Run[] = [];
  for (const [slot, bit] of mask.entries()) {
    if (!bit) continue;
    if (slot > 0 && mask[slot - 1]) runs[runs.length - 1].length++;
    else runs.push({ start: slot, length: 1 });
  }
  return runs;
}

describe("runs of slots", () => {
  it("the tightest that fits, the lowest of several, and the longest of the others", () => {
    const prng = new Prng(21);
    for (const mask of masks()) {
      const [low, high] = wordsOf(mask);
      const runs = runsOf(mask);
      const need = 1 + prng.below(SLOTS);
      const fitting = runs.filter(({ length }) => length >= need);
      const length = Math.min(127, ...fitting.map((run) => run.length));
      const best = fitting.find((run) => run.length === length);
      const rest = Math.max(0, ...runs.filter((run) => run !== best).map((run) => run.length));
      const expected = (best?.start ?? 0) | (length << RUN_LENGTH_SHIFT) | (rest << RUN_REST_SHIFT);
      assert.equal(tightestRun(low, high, need), expected, `${low} ${high} ${need}`);
      assert.equal(longestRun(low, high), Math.max(0, ...runs.map((run) => run.length)), `${low} ${high}`);
      assert.equal(firstBit(low, high), runs[0]?.start ?? SLOTS, `${low} ${high}`);
    }
  });

  it("the run around some of its slots", () => {
    const prng = new Prng(22);
    for (const mask of masks()) {
      const [low, high] = wordsOf(mask);
      const runs = runsOf(mask);
      if (runs.length === 0) continue;
      const { start, length } = runs[prng.below(runs.length)];
      const from = start + prng.below(length);
      const to = from + 1 + prng.below(start + length - from);
      assert.equal(runAround(~low, ~high, from, to), length, `${low} ${high} ${from} ${to}`);
    }
  });

  it("the mask of the slots below one", () => {
    for (let end = 0; end <= SLOTS; end++) {
      const [low, high] = wordsOf(Array.from({ length: SLOTS }, (_, slot) => slot < end));
      assert.equal(LOW_BITS[end], low, `${end}`);
      assert.equal(HIGH_BITS[end], high, `${end}`);
    }
  });
});
