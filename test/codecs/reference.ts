/**
 * The LZ4 block format, decoded one byte at a time: what the fast decoder is compared with.
 *
 * @param history - bytes before the block, which offsets may reach.
 * @returns the bytes written to `target`, or -1 for a block that is malformed, holds nothing, or holds more
 *   than `target` does.
 */
export function reference(block: Uint8Array, target: Uint8Array, history: Uint8Array): number {
  let ip = 0;
  let op = 0;
  const extended = (nibble: number): number => {
    let length = nibble;
    if (nibble < 15) return length;
    for (let byte = 255; byte === 255; length += byte) {
      if (ip >= block.length) return -1;
      byte = block[ip++];
    }
    return length;
  };
  while (ip < block.length) {
    const token = block[ip++];
    const literals = extended(token >> 4);
    if (literals < 0 || literals > block.length - ip || literals > target.length - op) return -1;
    for (let i = 0; i < literals; i++) target[op++] = block[ip++];
    // The last sequence ends after its literals.
    if (ip === block.length) return op === 0 ? -1 : op;
    if (ip + 2 > block.length) return -1;
    const offset = block[ip] | (block[ip + 1] << 8);
    ip += 2;
    const extra = extended(token & 15);
    if (extra < 0 || offset === 0 || offset > op + history.length || extra + 4 > target.length - op)
      return -1;
    for (let i = 0; i < extra + 4; i++, op++) {
      const from = op - offset;
      target[op] = from >= 0 ? target[from] : history[history.length + from];
    }
  }
  return -1;
}
