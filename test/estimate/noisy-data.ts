import { Prng } from "../../src/base/index.ts";

/** Bytes that no codec makes smaller. */
export function noise(bytes: number, seed: number): Buffer {
  const prng = new Prng(seed);
  const words = Uint32Array.from({ length: Math.ceil(bytes / 4) }, () => prng.uint32());
  return Buffer.from(words.buffer).subarray(0, bytes);
}

/** Units whose first `noisy` bytes are noise, each its own, and whose rest is zeros. */
export function partlyNoisy(units: number, unit: number, noisy: number, seed: number): Buffer {
  const all = Buffer.alloc(units * unit);
  const source = noise(units * noisy, seed);
  for (let i = 0; i < units; i++) source.copy(all, i * unit, i * noisy, (i + 1) * noisy);
  return all;
}

/** Bytes in pieces of odd sizes, as a pipe gives them. */
export async function* inPieces(bytes: Buffer, seed: number): AsyncGenerator<Buffer> {
  const prng = new Prng(seed);
  for (let at = 0; at < bytes.length; ) {
    const length = prng.between(1, 70_000);
    yield await Promise.resolve(bytes.subarray(at, at + length));
    at += length;
  }
}
