import type { Prng } from "../../src/base/index.ts";

/** The byte that surrounds a guarded target. */
export const GUARD = 0xc7;
const GUARD_BYTES = 64;

/** A target of `room` bytes in the middle of guard bytes. */
export function guarded(room: number): { whole: Uint8Array; target: Uint8Array } {
  const whole = new Uint8Array(room + 2 * GUARD_BYTES).fill(GUARD);
  return { whole, target: whole.subarray(GUARD_BYTES, GUARD_BYTES + room) };
}

/** Whether the bytes around a guarded target are as they were. */
export function untouched(whole: Uint8Array, room: number): boolean {
  for (let i = 0; i < GUARD_BYTES; i++) {
    if (whole[i] !== GUARD || whole[GUARD_BYTES + room + i] !== GUARD) return false;
  }
  return true;
}

const WORDS = "page buddy chunk handle pool evict reclaim store load zero alloc free list size".split(" ");

/**
 * Bytes of one of ten kinds: 0 random, 1 one value, 2 zeros, 3 words, 4 records, 5 short period, 6 long
 * period, 7 random with copies of itself, 8 few values, 9 words in random bytes.
 */
export function sample(kind: number, length: number, prng: Prng): Uint8Array {
  const bytes = new Uint8Array(length);
  const random = (): number => prng.below(256);
  switch (kind) {
    case 0:
      return bytes.map(random);
    case 1:
      return bytes.fill(random());
    case 2:
      return bytes;
    case 3:
      return words(bytes, prng);
    case 4:
      return bytes.map((_, i) => [0x10, i & 0xff, (i >> 8) & 3, 0, prng.chance(0.2) ? random() : 7][i % 5]);
    case 5:
      return periodic(bytes, prng.between(1, 70), prng);
    case 6:
      return periodic(bytes, prng.between(71, 5000), prng);
    case 7:
      return withCopies(bytes.map(random), prng);
    case 8:
      return bytes.map(() => prng.below(3));
    default:
      for (let i = 0; i < length; i++) bytes[i] = (i >> 6) % 2 === 0 ? random() : 0x61 + ((i * 7) % 5);
      return bytes;
  }
}

/** `bytes` filled with a random pattern of `period` bytes, over and over. */
export function periodic(bytes: Uint8Array, period: number, prng: Prng): Uint8Array {
  for (let i = 0; i < bytes.length; i++) bytes[i] = i < period ? prng.below(256) : bytes[i - period];
  return bytes;
}

function words(bytes: Uint8Array, prng: Prng): Uint8Array {
  let at = 0;
  while (at < bytes.length) {
    const word = `${WORDS[prng.below(WORDS.length)]}${prng.chance(0.1) ? prng.below(1000) : ""} `;
    for (let i = 0; i < word.length && at < bytes.length; i++) bytes[at++] = word.charCodeAt(i);
  }
  return bytes;
}

function withCopies(bytes: Uint8Array, prng: Prng): Uint8Array {
  for (let copies = bytes.length / 40; copies > 0; copies--) {
    const from = prng.below(bytes.length);
    const to = prng.below(bytes.length);
    const length = Math.min(prng.between(4, 60), bytes.length - Math.max(from, to));
    bytes.copyWithin(to, from, from + length);
  }
  return bytes;
}
