/** Values that say which write made them, and whose every byte follows from that. */

import { MIXED, NO_TAG } from "./history.ts";

const PROCESS_VALUES = 2 ** 30;
/** So many that the deletion of one leaves most values. */
const TAGS = 40;
const WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];

/** The number of a process's n-th value, from 1 on; no other process has it. */
export function numberOf(process: number, n: number): number {
  return process * PROCESS_VALUES + n;
}

/** A third of the values have a tag. */
export function tagOf(value: number): number {
  return value % 3 === 0 ? (value / 3) % TAGS : NO_TAG;
}

export function anyTag(random: number): number {
  return random % TAGS;
}

/** 20 to some 2,000 bytes that compress. */
export function textOf(value: number): string {
  const mixed = Math.imul(value ^ (value >>> 11), 0x2c1b3c6d) >>> 0;
  const words = [`${value}`];
  for (let i = mixed % 7 === 0 ? 300 : mixed % 40; i > 0; i--)
    words.push(WORDS[(mixed + i * i) % WORDS.length]);
  return words.join(" ");
}

/** Which value a text is. */
export function valueIn(text: unknown): number {
  if (typeof text !== "string") return MIXED;
  const value = Number(text.split(" ", 1)[0]);
  return Number.isSafeInteger(value) && value > 0 && text === textOf(value) ? value : MIXED;
}
