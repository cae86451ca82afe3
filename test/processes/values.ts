/** Values that say whose they are: what is made of a key and a version is the same in each process. */

import { Prng } from "../../src/base/index.ts";

const WORDS = ["page", "render", "<li>", "user", "total", "\n", "0", "price", "…", "</div>", "é", "true"];
const TEXT = makeText(1 << 17);
const LONG_MAX = 12_000;
const SHORT_MAX = 900;

function makeText(length: number): string {
  const prng = new Prng(5);
  let text = "";
  while (text.length < length)
    text += prng.chance(0.3) ? prng.uint32().toString(36) : WORDS[prng.below(WORDS.length)];
  return text;
}

/** What a cache in these tests holds. */
export type Value = string | Uint8Array | { key: number; version: number; text: string };

/** The value of a key in a version: a text, bytes or an object. */
export function makeValue(key: number, version: number): Value {
  const mixed = Math.imul(key + 1, 0x9e3779b1) ^ Math.imul(version, 0x85ebca6b);
  const hash = mixed ^ (mixed >>> 15);
  const length = (hash & 15) === 0 ? (hash >>> 8) % LONG_MAX : (hash >>> 8) % SHORT_MAX;
  const start = (hash >>> 4) % (TEXT.length - LONG_MAX);
  const text = `${key}:${version}:${TEXT.slice(start, start + length)}`;
  if (key % 3 === 0) return text;
  return key % 3 === 1 ? new TextEncoder().encode(text) : { key, version, text };
}

/** The version of a value of a key; throws for what is no such value, whole and unchanged. */
export function versionOf(key: number, value: Value): number {
  const text = textOf(value);
  const [ofKey, version] = text.split(":", 2).map(Number);
  if (ofKey !== key || textOf(makeValue(key, version)) !== text) {
    throw new Error(`key ${key} has ${JSON.stringify(text.slice(0, 80))}… of ${text.length}`);
  }
  return version;
}

function textOf(value: Value): string {
  if (typeof value === "string") return value;
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : value.text;
}
