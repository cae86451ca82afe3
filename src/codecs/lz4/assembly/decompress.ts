import { pad, wildCopy32 } from "./copy";
import { oldest } from "./dictionary";
import { MATCH_BYTES_MIN, NIBBLE_MAX, PACKED, PLAIN } from "./layout";

/** Row k: the shuffle that repeats the first k bytes of 16. Rows 0 and 16 and over are not used. */
const MASKS = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
  0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0,
  0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0,
  0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3, 4,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 2,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0,
], 16);

/** Byte k: how many of a shuffle's 16 bytes are whole repetitions of the first k. */
const STRIDES = memory.data<u8>([0, 16, 16, 15, 16, 15, 12, 14, 16, 9, 10, 11, 12, 13, 14, 15], 16);

/** What `decompress` returns for a malformed block. */
const MALFORMED: i32 = -1;
const TOO_LARGE: i32 = -2;

/**
 * Decompresses the `n` bytes at PACKED to PLAIN.
 *
 * Bytes past the end of input and output may be read and written, up to the margins; what counts is
 * checked once a sequence.
 *
 * @returns bytes written, at most `room`; MALFORMED or TOO_LARGE.
 */
export function decompress(n: u32, room: u32): i32 {
  const inputEnd = PACKED + n;
  const inputLast = inputEnd - 2;
  const outputEnd = PLAIN + room;
  const reach = oldest;
  let ip: u32 = PACKED;
  let op: u32 = PLAIN;
  while (true) {
    const token = <u32>load<u8>(ip++);
    let length = token >> 4;
    if (length == NIBBLE_MAX) {
      let byte: u32;
      do {
        if (ip >= inputEnd) return MALFORMED;
        byte = load<u8>(ip++);
        length += byte;
      } while (byte == 255);
      if (length > inputEnd - ip) return MALFORMED;
      if (length > outputEnd - op) return TOO_LARGE;
      wildCopy32(op, ip, op + length);
      op += length;
      ip += length;
    } else {
      v128.store(op, v128.load(ip));
      op += length;
      ip += length;
    }
    if (ip >= inputLast) {
      if (ip != inputEnd) return MALFORMED;
      if (op > outputEnd) return TOO_LARGE;
      if ((op & 255) != 0) pad(op);
      return op - PLAIN;
    }
    const offset = <u32>load<u16>(ip);
    ip += 2;
    let match = op - offset;
    let target = op;
    length = (token & NIBBLE_MAX) + MATCH_BYTES_MIN;
    if (length < NIBBLE_MAX + MATCH_BYTES_MIN) {
      op += length;
      if (op > outputEnd) return TOO_LARGE;
      if (offset >= 8 && match >= reach) {
        store<u64>(target, load<u64>(match));
        store<u64>(target, load<u64>(match, 8), 8);
        store<u16>(target, load<u16>(match, 16), 16);
        continue;
      }
    } else {
      let byte: u32;
      do {
        if (ip >= inputEnd) return MALFORMED;
        byte = load<u8>(ip++);
        length += byte;
      } while (byte == 255);
      op += length;
      if (op > outputEnd) return TOO_LARGE;
      if (ip >= inputEnd) return MALFORMED;
    }
    if (match < reach) return MALFORMED;
    if (offset >= 16) {
      wildCopy32(target, match, op);
    } else {
      if (offset == 0) return MALFORMED;
      const pattern = v128.swizzle(v128.load(match), v128.load(MASKS + (offset << 4)));
      const stride = <u32>load<u8>(STRIDES + offset);
      do {
        v128.store(target, pattern);
        target += stride;
      } while (target < op);
    }
  }
}
