import {
  DICT,
  DICT_TABLE,
  LITERALS_LAST,
  MATCH_BYTES_MIN,
  MATCH_START_MARGIN,
  NIBBLE_MAX,
  OFFSET_MAX,
  PACKED,
  PLAIN,
  TABLE,
} from "./layout";
import { copy16, pad, wildCopy16 } from "./copy";
import { DICT_BITS, oldest } from "./dictionary";
import { hash4, hash5 } from "./hash";

/**
 * After 2^SKIP_TRIGGER places without a match the step between places grows by one, and so on: what does
 * not compress is passed ever faster.
 */
const SKIP_TRIGGER: u32 = 6;

/**
 * Compresses the `n` bytes at PLAIN to PACKED.
 *
 * The table is sized to the input and cleared for each. (Positions that carry an epoch would make clearing
 * unnecessary. But then most first lookups yield places all over an older input, and to compare with those
 * throws the table and the input out of the first-level cache: measured, it costs more than clearing.)
 *
 * @returns bytes written, at most `room`, or 0 if they do not fit.
 */
export function compress(n: u32, room: u32, acceleration: u32): u32 {
  let size: u32;
  if (oldest != PLAIN) {
    if (n <= 2048) size = blockDictSmall(n, room, acceleration);
    else if (n <= 65536) size = blockDict(n, room, acceleration);
    else size = blockDictLarge(n, room, acceleration);
  } else if (n <= 1024) size = blockSmall(n, room, acceleration);
  else if (n <= 4096) size = blockPage(n, room, acceleration);
  else if (n <= 65536) size = block(n, room, acceleration);
  else size = blockLarge(n, room, acceleration);
  pad(PACKED + size);
  return size;
}

// One function for each kind of input, exported so that the compiler keeps them apart: in one function they
// compete for registers.

export function blockSmall(n: u32, room: u32, acceleration: u32): u32 {
  return run(n, room, acceleration, 10, false, false);
}
export function blockPage(n: u32, room: u32, acceleration: u32): u32 {
  return run(n, room, acceleration, 12, false, false);
}
export function block(n: u32, room: u32, acceleration: u32): u32 {
  return run(n, room, acceleration, 13, false, false);
}
export function blockLarge(n: u32, room: u32, acceleration: u32): u32 {
  return run(n, room, acceleration, 13, true, false);
}
export function blockDictSmall(n: u32, room: u32, acceleration: u32): u32 {
  return run(n, room, acceleration, 10, false, true);
}
export function blockDict(n: u32, room: u32, acceleration: u32): u32 {
  return run(n, room, acceleration, 13, false, true);
}
export function blockDictLarge(n: u32, room: u32, acceleration: u32): u32 {
  return run(n, room, acceleration, 13, true, true);
}

/**
 * The search: at each place, ask the table where the same 4 or 5 bytes were seen last.
 *
 * @param bits - entries of the table, as a power of two.
 * @param large - the input is longer than the reach of a match: entries are u32, and checked for distance.
 * @param dict - there is a dictionary.
 */
@inline
function run(n: u32, room: u32, acceleration: u32, bits: u32, large: bool, dict: bool): u32 {
  const end = PLAIN + n;
  const opEnd = PACKED + room;
  let op = PACKED;
  let anchor = PLAIN;
  if (n <= MATCH_START_MARGIN) return finish(op, anchor, end, opEnd);
  memory.fill(TABLE, 0, (large ? 4 : 2) << bits);
  const matchEnd = end - LITERALS_LAST;
  const startLast = end - MATCH_START_MARGIN;
  let next: u32 = PLAIN;
  if (!dict) {
    // Entry 0 is the first position, so the empty table knows it already.
    next++;
  }
  let nextSequence = load<u32>(next);
  let h = hashAt(next, nextSequence, bits, large, dict);
  while (true) {
    let ip: u32;
    let match: u32;
    let tries = acceleration << SKIP_TRIGGER;
    while (true) {
      ip = next;
      const sequence = nextSequence;
      next += tries++ >> SKIP_TRIGGER;
      if (next > startLast) return finish(op, anchor, end, opEnd);
      nextSequence = load<u32>(next);
      match = exchange(h, ip, bits, large, dict);
      h = hashAt(next, nextSequence, bits, large, dict);
      if (isMatch(ip, match, sequence, large, dict)) break;
    }
    if (!dict && !large) match += PLAIN;

    // What follows is counted before what precedes, for what follows decides where to go on.
    let matched = countEnd(ip + MATCH_BYTES_MIN, match + MATCH_BYTES_MIN, matchEnd);
    const offset = ip - match;
    // Counted backwards by 8 at a time, since a loop over bytes is mispredicted more often than not.
    while (true) {
      let back = <u32>(clz(load<u64>(ip - 8) ^ load<u64>(match - 8)) >> 3);
      back = min(back, min(ip - anchor, match - (dict ? oldest : PLAIN)));
      ip -= back;
      match -= back;
      if (back < 8) break;
    }
    const literals = ip - anchor;
    const token = op++;
    copy16(op, anchor); // Mostly all there is; written over if more length bytes come first.
    let tokenBits: u32;
    if (literals >= NIBBLE_MAX) {
      tokenBits = NIBBLE_MAX << 4;
      op = writeLength(op, literals - NIBBLE_MAX);
      wildCopy16(op, anchor, op + literals);
    } else {
      tokenBits = literals << 4;
    }
    op += literals;
    store<u16>(op, offset);
    op = writeMatch(op + 2, token, tokenBits, matched - ip - MATCH_BYTES_MIN);
    ip = matched;

    // Another match may follow at once, without literals.
    while (true) {
      if (op > opEnd) return 0;
      if (ip > startLast) return finish(op, ip, end, opEnd);
      const sequence = load<u32>(ip);
      match = exchange(hashAt(ip, sequence, bits, large, dict), ip, bits, large, dict);
      nextSequence = load<u32>(ip + 1);
      h = hashAt(ip + 1, nextSequence, bits, large, dict);
      if (!isMatch(ip, match, sequence, large, dict)) break;
      if (!dict && !large) match += PLAIN;
      matched = countEnd(ip + MATCH_BYTES_MIN, match + MATCH_BYTES_MIN, matchEnd);
      store<u16>(op, ip - match, 1);
      op = writeMatch(op + 3, op, 0, matched - ip - MATCH_BYTES_MIN);
      ip = matched;
    }
    anchor = ip;
    next = ip + 1;
  }
  return unreachable();
}

@inline
function hashAt(address: u32, sequence: u32, bits: u32, large: bool, dict: bool): u32 {
  // 5 bytes find fewer but longer matches. That is faster, and where there are many places to find them in
  // mostly smaller too; in a page of machine code or numbers every match of 4 is worth having.
  if (bits > 12 && !dict) return hash5(load<u64>(address), bits);
  return hash4(sequence, dict ? DICT_BITS : bits);
}

/** Where a table keeps the entry of a hash; dictionary users hash to more bits than their table has. */
@inline
function slot(h: u32, bits: u32, large: bool, dict: bool): u32 {
  const index = dict ? h >> (DICT_BITS - bits) : h;
  return large ? index << 2 : index << 1;
}

/** Notes that `ip` is the last place with this hash. With a dictionary, entries start at 1: 0 is none. */
@inline
function put(h: u32, ip: u32, bits: u32, large: bool, dict: bool): void {
  const entry = dict ? ip - (PLAIN - 1) : ip - PLAIN;
  if (large) store<u32>(slot(h, bits, large, dict), entry, TABLE);
  else store<u16>(slot(h, bits, large, dict), entry, TABLE);
}

/**
 * The last place with this hash, which `ip` then is.
 *
 * @returns its address; relative to PLAIN for small inputs, so that PLAIN folds into the loads.
 */
@inline
function exchange(h: u32, ip: u32, bits: u32, large: bool, dict: bool): u32 {
  const at = slot(h, bits, large, dict);
  const entry: u32 = large ? load<u32>(at, TABLE) : <u32>load<u16>(at, TABLE);
  put(h, ip, bits, large, dict);
  if (dict) {
    return select<u32>(entry + (PLAIN - 1), <u32>load<u16>(h << 1, DICT_TABLE) + DICT, entry != 0);
  }
  return large ? entry + PLAIN : entry;
}

@inline
function isMatch(ip: u32, match: u32, sequence: u32, large: bool, dict: bool): bool {
  if (dict) return load<u32>(match) == sequence && ip - match <= OFFSET_MAX && match >= oldest;
  if (large) return load<u32>(match) == sequence && ip - match <= OFFSET_MAX;
  return load<u32>(match, PLAIN) == sequence;
}

/** Where `ip` stops to be equal to `match`, at most `end`. */
@inline
function countEnd(ip: u32, match: u32, end: u32): u32 {
  const difference = load<u64>(ip) ^ load<u64>(match);
  if (difference != 0) return min(ip + <u32>(ctz(difference) >> 3), end);
  ip += 8;
  match += 8;
  while (ip < end) {
    const differences = <u32>i8x16.bitmask(i8x16.ne(v128.load(ip), v128.load(match)));
    if (differences != 0) return min(ip + ctz(differences), end);
    ip += 16;
    match += 16;
  }
  return end;
}

/** The bytes in which a length continues that its nibble of the token could not hold. */
@inline
function writeLength(op: u32, rest: u32): u32 {
  while (rest >= 255) {
    store<u8>(op++, 255);
    rest -= 255;
  }
  store<u8>(op, rest);
  return op + 1;
}

/** Completes the token at `token` with the length of a match beyond MATCH_BYTES_MIN. */
@inline
function writeMatch(op: u32, token: u32, tokenBits: u32, length: u32): u32 {
  if (length < NIBBLE_MAX) {
    store<u8>(token, tokenBits + length);
    return op;
  }
  store<u8>(token, tokenBits + NIBBLE_MAX);
  return writeLength(op, length - NIBBLE_MAX);
}

/** Writes the last sequence: what is left from `anchor`, as literals. */
function finish(op: u32, anchor: u32, end: u32, opEnd: u32): u32 {
  const literals = end - anchor;
  if (op + 1 + (literals + 240) / 255 + literals > opEnd) return 0;
  const token = op++;
  if (literals >= NIBBLE_MAX) {
    store<u8>(token, NIBBLE_MAX << 4);
    op = writeLength(op, literals - NIBBLE_MAX);
  } else {
    store<u8>(token, literals << 4);
  }
  wildCopy16(op, anchor, op + literals);
  return op + literals - PACKED;
}
