import { builtin, checkBytes, ownBytes, show, ZbudError } from "../base/index.ts";
import { BLOCK_BYTES } from "../record/index.ts";
import { checkKept, isPlain } from "./json.ts";
import type { Serializer, SerializerOption } from "./types.ts";

/** What the bytes of an entry are; kept with it. */
export const ValueKind = {
  /** A Uint8Array. */
  bytes: 0,
  /** A Buffer of Node. */
  buffer: 1,
  /** A string, as UTF-8. */
  text: 2,
  /** A string that UTF-8 cannot hold, since it has lone surrogates: its 16-bit units. */
  units: 3,
  /** Anything else: its JSON, as UTF-8. */
  json: 4,
  /** What the serializer of the option gave. */
  own: 5,
} as const;

/** The highest of them. */
export const VALUE_KIND_MAX: number = ValueKind.own;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const NO_BYTES = new Uint8Array(0);

/** Room for text up to this length stays for the next value: any of one block fits. */
const KEPT_BYTES_MAX = 3 * BLOCK_BYTES;

/** Node's Buffer, or undefined elsewhere. */
const NodeBuffer: typeof Buffer | undefined = (globalThis as { Buffer?: typeof Buffer }).Buffer;

/**
 * Turns values into bytes and back. What `encode` gives is in `bytes`, `length` and `kind` until the next call;
 * bytes are taken as they are, text is written to memory that is used again.
 */
export class ValueCodec<V> {
  bytes: Uint8Array = NO_BYTES;
  length = 0;
  kind = 0;
  readonly #own: Serializer<V> | null;
  readonly #maxBytes: number;
  #scratch = NO_BYTES;

  /** @param maxBytes - longer values need not be encoded to their end. */
  constructor(option: SerializerOption<V> | undefined, maxBytes: number) {
    this.#own = serializerOf(option);
    this.#maxBytes = maxBytes;
  }

  /** Whether there is a serializer of the option, without which its values cannot be decoded. */
  get hasOwn(): boolean {
    return this.#own !== null;
  }

  /**
   * @returns false if the value takes more than `maxBytes`.
   * @throws {ZbudError} `EINVAL` for a value that the serializer cannot keep.
   */
  encode(value: V): boolean {
    if (this.#own !== null) {
      const bytes = this.#own.serialize(value);
      checkBytes(bytes);
      return this.#take(bytes, ValueKind.own);
    }
    if (value instanceof Uint8Array) {
      checkBytes(value);
      return this.#take(value, NodeBuffer?.isBuffer(value) ? ValueKind.buffer : ValueKind.bytes);
    }
    if (typeof value === "string") return this.#write(value, ValueKind.text);
    if (typeof value !== "object" || value === null || !isPlain(value, 0)) checkKept(value);
    return this.#write(JSON.stringify(value), ValueKind.json);
  }

  /** Lets go of what the last value took, if it was a long one. */
  release(): void {
    this.bytes = NO_BYTES;
    if (this.#scratch.length > KEPT_BYTES_MAX) this.#scratch = NO_BYTES;
  }

  /**
   * The value whose bytes these are.
   *
   * @param bytes - of exactly the value's length, for the result to keep.
   */
  decode(bytes: Uint8Array, kind: number): V {
    switch (kind) {
      case ValueKind.bytes:
        return bytes as V;
      case ValueKind.buffer:
        return (NodeBuffer?.from(bytes.buffer, bytes.byteOffset, bytes.length) ?? bytes) as V;
      case ValueKind.text:
        return decoder.decode(bytes) as V;
      case ValueKind.units:
        return decodeUnits(bytes) as V;
      case ValueKind.json:
        return JSON.parse(decoder.decode(bytes)) as V;
      default:
        if (this.#own !== null) return this.#own.deserialize(bytes);
        throw new ZbudError(
          "EINVAL",
          "this value was written with a serializer that this cache was not given in this thread: give it to attach(), or to the cache that loads a file",
        );
    }
  }

  #take(bytes: Uint8Array, kind: number): boolean {
    this.bytes = bytes;
    this.length = bytes.length;
    this.kind = kind;
    return bytes.length <= this.#maxBytes;
  }

  #write(text: string, kind: number): boolean {
    if (text.length > this.#maxBytes) return false;
    // What one long value took is not kept for others.
    if (this.#scratch.length > KEPT_BYTES_MAX) this.#scratch = NO_BYTES;
    let { read, written } = encoder.encodeInto(text, this.#scratch);
    while (read < text.length) {
      if (written > this.#maxBytes) return false;
      // A unit takes 3 bytes at most. What is too long by then is so whatever follows.
      const room = Math.min(text.length * 3, this.#maxBytes + 4);
      this.#scratch = ownBytes(Math.max(room, 1024));
      ({ read, written } = encoder.encodeInto(text, this.#scratch));
    }
    if (written !== read && !text.isWellFormed()) return this.#take(encodeUnits(text), ValueKind.units);
    this.bytes = this.#scratch;
    this.length = written;
    this.kind = kind;
    return written <= this.#maxBytes;
  }
}

/** Whether `decode` keeps the bytes it is given, so that they must be the value's own. */
export function keepsBytes(kind: number): boolean {
  return kind === ValueKind.bytes || kind === ValueKind.buffer || kind === ValueKind.own;
}

function encodeUnits(text: string): Uint8Array {
  const bytes = ownBytes(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i), true);
  return bytes;
}

function decodeUnits(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 8192) {
    const units: number[] = [];
    for (let i = at; i < Math.min(at + 8192, bytes.length); i += 2) units.push(view.getUint16(i, true));
    parts.push(String.fromCharCode(...units));
  }
  return parts.join("");
}

function serializerOf<V>(option: SerializerOption<V> | undefined): Serializer<V> | null {
  if (option === undefined || option === "auto") return null;
  if (option === "v8") return v8Serializer();
  const { serialize, deserialize } = (option ?? {}) as Partial<Serializer<V>>;
  if (typeof serialize === "function" && typeof deserialize === "function") return option;
  throw new ZbudError(
    "EINVAL",
    `serializer must be "auto" (which takes JSON for objects), "v8", or an object with serialize and deserialize, not ${show(option)}`,
  );
}

function v8Serializer<V>(): Serializer<V> {
  const v8 = builtin<typeof import("node:v8")>("node:v8");
  if (v8 === undefined) throw new ZbudError("ENOTSUP", 'serializer "v8" needs Node.js');
  return {
    serialize: (value) => {
      try {
        return v8.serialize(value);
      } catch (cause) {
        throw new ZbudError("EINVAL", `serializer "v8" cannot keep the value: ${(cause as Error)?.message}`, {
          cause,
        });
      }
    },
    deserialize: (bytes) => v8.deserialize(bytes) as V,
  };
}
