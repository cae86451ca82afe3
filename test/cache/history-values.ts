import assert from "node:assert/strict";
import { builtin, canShare, Prng, sharedBuffer } from "../../src/base/index.ts";

/** Values by number and class of size: each says whose it is. */
export type Value = string | Uint8Array;

const BYTES = [0, 0, 3000, 40_000, 300_000];
/** More than any cache keeps, so what it is does not matter; shared, so that it goes to other threads as it is. */
const TOO_LONG = new Uint8Array(canShare() ? sharedBuffer(2 ** 26 + 1) : new ArrayBuffer(2 ** 26 + 1));
/** Where a value begins in the noise: no two values of a history begin alike. */
const STEP = 16;
const STARTS = 2 ** 16;
const WORDS = "nothing lost, nothing stale, nothing silent; ";

const noise: Uint8Array = (() => {
  const prng = new Prng(5);
  const words = new Uint32Array((STEP * STARTS + 2 ** 20 + 16) / 4);
  for (let i = 0; i < words.length; i++) words[i] = prng.uint32();
  return new Uint8Array(words.buffer);
})();
const NodeBuffer = builtin<typeof import("node:buffer")>("node:buffer")?.Buffer;

/** The sizes of the values of a history, by their numbers from 1 on. */
export class Values {
  readonly #sizes: number[] = [0];

  make(size: number): number {
    return this.#sizes.push(size) - 1;
  }

  of(id: number): Value {
    const size = this.#sizes[id];
    if (size < 2) return textOf(id, size);
    if (size === BYTES.length) return TOO_LONG;
    const start = (id % STARTS) * STEP;
    // Lengths vary, so that room is divided in many ways.
    const length = BYTES[size] + (size === 3 ? (id % 8) * 16_000 : id % 64);
    return noise.subarray(start, start + length);
  }

  /** Throws if a value is not this one. */
  check(what: string, found: unknown, id: number): void {
    assert.ok(this.is(found, id), `${what} gave ${this.#show(found)}, not ${this.#show(this.of(id))}`);
  }

  is(found: unknown, id: number): boolean {
    const value = this.of(id);
    if (typeof value === "string") return found === value;
    if (!(found instanceof Uint8Array) || found.length !== value.length) return false;
    if (NodeBuffer !== undefined) return NodeBuffer.compare(found, value) === 0;
    return value.every((byte, i) => found[i] === byte);
  }

  #show(value: unknown): string {
    if (typeof value === "string") return `value ${value.slice(0, 12)}`;
    if (!(value instanceof Uint8Array)) return String(value);
    const id = this.#sizes.findIndex((size, id) => size >= 2 && this.is(value, id));
    return id < 0 ? `${value.length} bytes that nobody set` : `value ${id}`;
  }
}

function textOf(id: number, size: number): string {
  // Lone surrogates are kept in a way of their own.
  const end = id % 16 === 0 ? "\ud800" : "é";
  return size === 0 ? `${id}:${end}` : `${id}:${WORDS.repeat(1 + (id % 9))}${end}`;
}
