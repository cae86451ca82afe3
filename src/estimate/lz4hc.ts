import { type Codec, getCodec } from "../codecs/index.ts";

const HASH_BITS = 12;
const SOURCE_MAX = 65_536;
const MATCH_MIN = 4;
/** The format: the last bytes of a block are literals, and no match begins in the last twelve. */
const LAST_LITERALS = 5;
const LAST_MATCH = 12;
const OFFSET_MAX = 65_535;
/** Places tried for each match, and lengths tried of it beside the longest. */
const ATTEMPTS = 256;
const LENGTHS = 64;
/** A match so long is good enough for the places in it too. */
const LONG = 64;
/** The most that a length of four bits says by itself. */
const SHORT = 15;

/**
 * Blocks of LZ4 as small as the format allows about: for how small the kernel's `lz4hc` makes a page. The search is
 * our own (matches from hash chains, and of all ways through the block the shortest), so its time says nothing of the
 * kernel's; reading back is lz4's.
 */
export class Lz4hc implements Codec {
  readonly name = "lz4hc";
  readonly id = 254;
  readonly #head = new Int32Array(1 << HASH_BITS);
  readonly #chain = new Int32Array(SOURCE_MAX);
  /** For each place: the longest match, where it is, and the bytes from here to the end on the shortest way. */
  readonly #lengths = new Int32Array(SOURCE_MAX + 1);
  readonly #offsets = new Int32Array(SOURCE_MAX + 1);
  readonly #costs = new Float64Array(SOURCE_MAX + 1);
  readonly #steps = new Int32Array(SOURCE_MAX + 1);
  readonly #lz4 = getCodec("lz4");

  maxCompressedLength(n: number): number {
    return this.#lz4.maxCompressedLength(n);
  }

  decompress(source: Uint8Array, target: Uint8Array): number {
    return this.#lz4.decompress(source, target);
  }

  compress(source: Uint8Array, target: Uint8Array): number {
    this.#findMatches(source);
    this.#findWay(source.length);
    return this.#write(source, target);
  }

  #findMatches(source: Uint8Array): void {
    const head = this.#head.fill(-1);
    const chain = this.#chain;
    const end = source.length - LAST_LITERALS;
    this.#lengths.fill(0, 0, source.length);
    for (let at = 0; at <= source.length - LAST_MATCH; at++) {
      const word = source[at] | (source[at + 1] << 8) | (source[at + 2] << 16) | (source[at + 3] << 24);
      const hash = Math.imul(word, 0x9e37_79b1) >>> (32 - HASH_BITS);
      let best = MATCH_MIN - 1;
      let place = head[hash];
      const before = at === 0 ? 0 : this.#lengths[at - 1];
      if (before > LONG) {
        // Within a long match nothing better is looked for: what is left of it.
        this.#lengths[at] = before - 1;
        this.#offsets[at] = this.#offsets[at - 1];
        place = -1;
      }
      for (let tries = ATTEMPTS; place >= 0 && at - place <= OFFSET_MAX && tries > 0; tries--) {
        if (at + best < end && source[place + best] === source[at + best]) {
          let length = 0;
          while (at + length < end && source[place + length] === source[at + length]) length++;
          if (length > best) {
            best = length;
            this.#lengths[at] = length;
            this.#offsets[at] = at - place;
          }
        }
        place = chain[place];
      }
      chain[at] = head[hash];
      head[hash] = at;
    }
  }

  /** From the end backwards: a literal takes a byte, a match three and what its length takes beyond four bits. */
  #findWay(length: number): void {
    const costs = this.#costs;
    const steps = this.#steps;
    costs[length] = 0;
    for (let at = length - 1; at >= 0; at--) {
      let cost = 1 + costs[at + 1];
      let step = 1;
      const longest = this.#lengths[at];
      for (let size = longest; size >= MATCH_MIN; size--) {
        const way = 3 + extraBytes(size - MATCH_MIN) + costs[at + size];
        if (way < cost) {
          cost = way;
          step = size;
        }
        if (longest - size >= LENGTHS && size > SHORT + MATCH_MIN) size = SHORT + MATCH_MIN;
      }
      costs[at] = cost;
      steps[at] = step;
    }
  }

  /** @returns its length, or 0 if the target is too short. */
  #write(source: Uint8Array, target: Uint8Array): number {
    let out = 0;
    let literals = 0;
    const end = source.length;
    for (let at = 0; at <= end; ) {
      const size = at === end ? 0 : this.#steps[at];
      if (size === 1) {
        at += 1;
        continue;
      }
      const count = at - literals;
      const length = size === 0 ? 0 : size - MATCH_MIN;
      const needed = 1 + extraBytes(count) + count + (size === 0 ? 0 : 2 + extraBytes(length));
      if (out + needed > target.length) return 0;
      target[out++] = (Math.min(count, SHORT) << 4) | Math.min(length, SHORT);
      out = writeExtra(target, out, count);
      target.set(source.subarray(literals, at), out);
      out += count;
      if (size === 0) return out;
      const offset = this.#offsets[at];
      target[out++] = offset & 0xff;
      target[out++] = offset >> 8;
      out = writeExtra(target, out, length);
      at += size;
      literals = at;
    }
    return out;
  }
}

/** Bytes that say what is left of a length beyond four bits. */
function extraBytes(length: number): number {
  return length < SHORT ? 0 : 1 + Math.floor((length - SHORT) / 255);
}

function writeExtra(target: Uint8Array, at: number, length: number): number {
  if (length < SHORT) return at;
  let left = length - SHORT;
  for (; left >= 255; left -= 255) target[at++] = 255;
  target[at++] = left;
  return at;
}
