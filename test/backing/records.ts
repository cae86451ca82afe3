import assert from "node:assert/strict";
import type { Backing, BackingKey, StoredEntry } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { until } from "../support/until.ts";

export const NO_PREFIX: Uint8Array = new Uint8Array(0);

/** A key by one number; every third has a prefix, and every sixth shares its words with another. */
export function keyOf(number: number): BackingKey {
  if (number % 3 !== 0) return { k0: number | 0, k1: Math.imul(number, 0x9e37_79b1), prefix: NO_PREFIX };
  const words = number - (number % 6);
  const name = `a name ${number}`.padEnd(number % 120, "-");
  return { k0: words, k1: -words | 0, prefix: new Uint8Array(Buffer.from(name)) };
}

/** Bytes that no other key, version or length has. */
export function bytesOf(number: number, version: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const prng = new Prng(Math.imul(number + 1, 0x85eb_ca6b) ^ Math.imul(version, 0xc2b2_ae35) ^ length);
  const whole = length - (length % 4);
  const words = new Uint32Array(bytes.buffer, 0, whole / 4);
  for (let i = 0; i < words.length; i++) words[i] = prng.uint32();
  for (let i = whole; i < length; i++) bytes[i] = prng.below(256);
  return bytes;
}

/** A record that says by its content what it is. */
export function recordOf(number: number, version: number, length: number, expiresAt = 0): StoredEntry {
  const { k0, k1, prefix } = keyOf(number);
  const bytes = new Uint8Array(prefix.length + length);
  bytes.set(prefix);
  bytes.set(bytesOf(number, version, length), prefix.length);
  const headLength = Math.min(length, number % 4);
  return {
    k0,
    k1,
    bytes,
    prefixLength: prefix.length,
    headLength,
    storedLength: length - headLength,
    length: length * 3,
    codec: (number * 7) >>> 0,
    sameFilled: false,
    fill0: 0,
    fill1: 0,
    expiresAt,
    aux: -number | 0,
    aux2: number | 0,
    stamp: version,
  };
}

/** The name of a record. */
export function keyIn({ k0, k1, bytes, prefixLength }: StoredEntry): BackingKey {
  return { k0, k1, prefix: bytes.slice(0, prefixLength) };
}

/** The same record under another name. */
export function named(record: StoredEntry, { k0, k1, prefix }: BackingKey): StoredEntry {
  const rest = record.bytes.subarray(record.prefixLength);
  const bytes = new Uint8Array(prefix.length + rest.length);
  bytes.set(prefix);
  bytes.set(rest, prefix.length);
  return { ...record, k0, k1, bytes, prefixLength: prefix.length };
}

/** That a record is what `recordOf` made for this key, in some version. @returns the version. */
export function checkRecordOf(number: number, record: StoredEntry): number {
  const { stamp, expiresAt } = record;
  const wanted = recordOf(number, stamp, record.bytes.length - record.prefixLength, expiresAt);
  assert.equal(Buffer.compare(record.bytes, wanted.bytes), 0, `the bytes of key ${number}, version ${stamp}`);
  assert.deepEqual({ ...record, bytes: null }, { ...wanted, bytes: null });
  return stamp;
}

/** Waits for a write that succeeds: what was wrong with the store has ended, and it finds that out in its time. */
export async function writesAgain(
  backing: Backing,
  number: number,
  version = 1,
  length = 500,
): Promise<void> {
  const write = async (): Promise<boolean> => {
    const [outcome] = await backing.write([recordOf(number, version, length)]);
    return outcome === "ok";
  };
  await until("a write that succeeds", write, { patienceMs: 60_000, everyMs: 20 });
}

/** A length that leans to the edges of units, pages and chunks. */
export function someLength(prng: Prng, max: number): number {
  const edges = [0, 1, 71, 72, 73, 127, 128, 129, 4095, 4096, 4097, 65_536, 200_000, 262_144, 300_000];
  const length = prng.chance(0.3)
    ? edges[prng.below(edges.length)]
    : prng.below(prng.chance(0.1) ? 40_000 : 3000);
  return Math.min(length, max);
}
