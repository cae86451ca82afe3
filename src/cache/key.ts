import { ownBytes, show, ZbudError } from "../base/index.ts";
import type { CacheKey } from "./types.ts";

/**
 * A key as bytes that no other key has:
 *
 *   string       its UTF-8; lone surrogates as three bytes each (WTF-8), so that all strings differ
 *   number       0xFE, then the 8 bytes of the double; -0 is 0, and there is one NaN, as in a Map
 *   Uint8Array   0xFF, then its bytes
 *
 * Neither 0xFE nor 0xFF ever begins a UTF-8 sequence, so kinds do not meet.
 */
const NUMBER = 0xfe;
const BYTES = 0xff;
const NUMBER_BYTES = 9;

/** The longest key, as bytes: what a row has 16 bits for. A longer one is never there. */
export const KEY_BYTES_MAX = 65_535;
/** Behind the longest key lie some bytes that are zero, so that its last word is one. */
const ROOM_BYTES = 65_536 + 8;

/** Turns the first `length` bytes into the two words of {@link EncodedKey}. They are followed by 8 zero bytes. */
export type KeyHash = (words: Int32Array, length: number, key: EncodedKey) => void;

/**
 * One key at a time as bytes, with their hash. Makes no object: it is filled anew for each key.
 */
export class EncodedKey {
  readonly bytes: Uint8Array;
  /** Of `bytes`: what the key takes; at most {@link KEY_BYTES_MAX}. */
  length = 0;
  /** The hash's halves. */
  k0 = 0;
  k1 = 0;
  readonly #words: Int32Array;
  readonly #double: Float64Array = new Float64Array(1);
  readonly #doubleBytes: Uint8Array = new Uint8Array(this.#double.buffer);
  readonly #hash: KeyHash;

  constructor(hash: KeyHash = hashKey) {
    this.bytes = ownBytes(ROOM_BYTES);
    this.#words = new Int32Array(this.bytes.buffer);
    this.#hash = hash;
  }

  /**
   * @returns false if the key is longer than {@link KEY_BYTES_MAX}.
   * @throws {ZbudError} `EINVAL` if it is no key.
   */
  encode(key: CacheKey): boolean {
    const length =
      typeof key === "string" ? encodeString(key, this.bytes, 0, KEY_BYTES_MAX) : this.#encodeOther(key);
    if (length < 0) return false;
    this.length = length;
    this.bytes.fill(0, length, length + 8);
    this.#hash(this.#words, length, this);
    return true;
  }

  /** Takes a key's bytes as they were encoded before. */
  take(bytes: Uint8Array, length: number): void {
    for (let i = 0; i < length; i++) this.bytes[i] = bytes[i];
    this.length = length;
    this.bytes.fill(0, length, length + 8);
    this.#hash(this.#words, length, this);
  }

  #encodeOther(key: unknown): number {
    const bytes = this.bytes;
    if (typeof key === "number") {
      this.#double[0] = key === 0 ? 0 : Number.isNaN(key) ? Number.NaN : key;
      bytes[0] = NUMBER;
      for (let i = 0; i < 8; i++) bytes[i + 1] = this.#doubleBytes[i];
      return NUMBER_BYTES;
    }
    if (key instanceof Uint8Array) {
      if (key.length >= KEY_BYTES_MAX) return -1;
      bytes[0] = BYTES;
      bytes.set(key, 1);
      return key.length + 1;
    }
    throw new ZbudError("EINVAL", `a key must be a string, a number or a Uint8Array, not ${show(key)}`);
  }
}

/** Writes a string as WTF-8 at `at`. The end, or -1 if it would lie beyond `end`. */
function encodeString(text: string, bytes: Uint8Array, at: number, end: number): number {
  const length = text.length;
  if (at + length > end) return -1;
  let out = at | 0;
  let i = 0;
  for (; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) break;
    bytes[out++] = unit;
  }
  for (; i < length; i++) {
    let code = text.charCodeAt(i);
    if (code >= 0xd800 && code < 0xdc00 && i + 1 < length) {
      const low = text.charCodeAt(i + 1);
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        i++;
      }
    }
    if (out + 4 > end) {
      const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      if (out + size > end) return -1;
    }
    if (code < 0x80) {
      bytes[out++] = code;
      continue;
    }
    if (code < 0x800) {
      bytes[out++] = 0xc0 | (code >> 6);
    } else {
      if (code < 0x10000) {
        bytes[out++] = 0xe0 | (code >> 12);
      } else {
        bytes[out++] = 0xf0 | (code >> 18);
        bytes[out++] = 0x80 | ((code >> 12) & 0x3f);
      }
      bytes[out++] = 0x80 | ((code >> 6) & 0x3f);
    }
    bytes[out++] = 0x80 | (code & 0x3f);
  }
  return out;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The key whose bytes are the first `length` of `bytes`, which no other thread may change meanwhile. */
export function decodeKey(bytes: Uint8Array, length: number): CacheKey {
  if (length > 0 && bytes[0] === BYTES) return bytes.slice(1, length);
  if (length > 0 && bytes[0] === NUMBER) return decodeNumber(bytes);
  const text = bytes.slice(0, length);
  try {
    return decoder.decode(text);
  } catch {
    return decodeSurrogates(text);
  }
}

function decodeNumber(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(1, true);
}

/**
 * Whether the first `length` bytes of `bytes` are what {@link EncodedKey.encode} makes of some key: no other bytes
 * may become an entry's name, since nobody could ask for it, or delete it, and `decodeKey` would not know it.
 */
export function isKey(bytes: Uint8Array, length: number): boolean {
  if (length > KEY_BYTES_MAX) return false;
  if (length === 0 || bytes[0] < 0x80) return isString(bytes, length);
  if (bytes[0] === BYTES) return true;
  return bytes[0] === NUMBER ? isNumber(bytes, length) : isString(bytes, length);
}

function isNumber(bytes: Uint8Array, length: number): boolean {
  if (length !== NUMBER_BYTES) return false;
  const value = decodeNumber(bytes);
  if (Object.is(value, -0)) return false;
  // Of all the bits that are no number, a key has those that this platform writes.
  const own = new Uint8Array(Float64Array.of(Number.isNaN(value) ? Number.NaN : value).buffer);
  return own.every((byte, i) => bytes[i + 1] === byte);
}

/** Whether these are WTF-8: each code point as short as it can be, and no pair of surrogates as two of them. */
function isString(bytes: Uint8Array, length: number): boolean {
  let wasHigh = false;
  for (let i = 0; i < length; ) {
    const first = bytes[i++];
    if (first < 0x80) {
      wasHigh = false;
      continue;
    }
    const more = first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : -1;
    if (more < 0 || i + more > length) return false;
    let code = first & (0x3f >> more);
    for (let j = 0; j < more; j++) {
      const byte = bytes[i++];
      if ((byte & 0xc0) !== 0x80) return false;
      code = (code << 6) | (byte & 0x3f);
    }
    if (code < (more === 1 ? 0x80 : more === 2 ? 0x800 : 0x10000) || code > 0x10ffff) return false;
    if (wasHigh && code >= 0xdc00 && code < 0xe000) return false;
    wasHigh = code >= 0xd800 && code < 0xdc00;
  }
  return true;
}

/** UTF-8 in which surrogates stand alone, which a TextDecoder refuses. */
function decodeSurrogates(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i++];
    const more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    let code = more === 0 ? first : first & (0x3f >> more);
    for (let j = 0; j < more; j++) code = (code << 6) | (bytes[i++] & 0x3f);
    text += String.fromCodePoint(code);
  }
  return text;
}

/**
 * A hash of 64 bits, as two lanes of MurmurHash3's 32-bit function (Appleby, public domain) with constants of
 * their own; the lanes are mixed with each other at the end. It is not keyed: who chooses the keys can make
 * them meet in one bucket. That costs time, and never gives another key's value, since keys are compared.
 */
export function hashKey(words: Int32Array, length: number, key: EncodedKey): void {
  let a = 0x2f1b_ced5 ^ length;
  let b = 0x6a09_e667 ^ length;
  const count = (length + 3) >> 2;
  for (let i = 0; i < count; i++) {
    const word = words[i];
    let x = Math.imul(word, 0xcc9e_2d51);
    x = Math.imul((x << 15) | (x >>> 17), 0x1b87_3593);
    a ^= x;
    a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe654_6b64) | 0;
    let y = Math.imul(word, 0x239b_961b);
    y = Math.imul((y << 16) | (y >>> 16), 0xab0e_9789 | 0);
    b ^= y;
    b = (Math.imul((b << 17) | (b >>> 15), 5) + 0x561c_cd1b) | 0;
  }
  a = (a + b) | 0;
  b = (b + a) | 0;
  key.k0 = finish(a);
  key.k1 = finish(b);
}

/** Murmur3's last step: every bit of the input moves half of the bits of the result. */
function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}
