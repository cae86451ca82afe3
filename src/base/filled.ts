/** `compare` of Node's buffers, which takes ranges and so needs no views. */
interface RangeCompare {
  call(
    source: Uint8Array,
    target: Uint8Array,
    targetStart: number,
    targetEnd: number,
    sourceStart: number,
    sourceEnd: number,
  ): number;
}

const compareRange = (globalThis as { Buffer?: { prototype: { compare: RangeCompare } } }).Buffer?.prototype
  .compare;

/** Whether the first `length` bytes are one word of 8 bytes again and again. At least 8 bytes. */
export function isFilled(bytes: Uint8Array, length: number): boolean {
  // Most values show it here: the last byte, then one in the middle.
  const last = length - 1;
  const middle = length >> 1;
  if (bytes[last] !== bytes[last & 7] || bytes[middle] !== bytes[middle & 7]) return false;
  if (compareRange !== undefined) return compareRange.call(bytes, bytes, 8, length, 0, length - 8) === 0;
  for (let i = 8; i < length; i++) if (bytes[i] !== bytes[i - 8]) return false;
  return true;
}

/** Fills the first `length` bytes with one word of 8 bytes, given as two halves in the order of the memory. */
export function fillWith(bytes: Uint8Array, length: number, low: number, high: number): void {
  const byte = low & 0xff;
  if (low === high && low === Math.imul(byte, 0x01010101)) {
    bytes.fill(byte, 0, length);
    return;
  }
  const first = Math.min(8, length);
  for (let i = 0; i < first; i++) bytes[i] = (i < 4 ? low : high) >>> (8 * (i & 3));
  for (let done = 8; done < length; done *= 2) bytes.copyWithin(done, 0, Math.min(done, length - done));
}

/** Half of a word of 8 bytes: 4 bytes from `at` on, lowest first. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
