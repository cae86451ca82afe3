import { Prng } from "../../src/base/index.ts";

/** Kinds of values that blocks of a value may be. */
const KINDS = ["noise", "text", "filled"] as const;

const noise: Uint8Array = (() => {
  const prng = new Prng(7);
  const words = Uint32Array.from({ length: 2 ** 17 }, () => prng.uint32());
  return new Uint8Array(words.buffer);
})();

/** A value of so many bytes by a seed: noise, what compresses, one word again and again, or blocks of each. */
export function largeValue(prng: Prng, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const isMixed = prng.chance(0.5);
  const step = isMixed ? 2 ** 19 + prng.below(2 ** 19) : Math.max(1, length);
  for (let at = 0; at < length; at += step) {
    const part = bytes.subarray(at, Math.min(length, at + step));
    fill(part, prng.chance(0.4) ? "noise" : KINDS[prng.below(KINDS.length)], prng);
  }
  if (length >= 4) new DataView(bytes.buffer).setUint32(0, prng.uint32());
  return bytes;
}

function fill(part: Uint8Array, kind: string, prng: Prng): void {
  if (kind === "filled") {
    part.fill(prng.below(256));
  } else if (kind === "text") {
    Buffer.from(part.buffer, part.byteOffset, part.length).fill(`${prng.uint32()} is said once more; `);
  } else {
    const first = prng.below(noise.length);
    for (let at = 0; at < part.length; ) {
      const from = (first + at) % noise.length;
      const piece = noise.subarray(from, from + Math.min(part.length - at, noise.length - from));
      part.set(piece, at);
      at += piece.length;
    }
  }
}

/** 0 to 5 MiB: half of them near a whole number of blocks. */
export function largeLength(prng: Prng): number {
  if (prng.chance(0.5)) return prng.below(5 * 2 ** 20);
  return Math.max(0, prng.below(6) * 2 ** 20 + prng.below(40) - 20);
}
