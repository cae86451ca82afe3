import { show, ZbudError } from "../base/index.ts";
import { createDeflate } from "./deflate.ts";
import { createLz4 } from "./lz4/lz4.ts";
import { createNone } from "./none.ts";
import type { Codec } from "./types.ts";
import { createZstd } from "./zstd.ts";

/** Ids below this are the library's. */
const USER_ID_MIN = 128;

const byName = new Map<string, Codec>();
const byId = new Map<number, Codec>();

/** They need what not every platform has. */
const ofPlatform: readonly Codec[] = [createZstd(), createDeflate()];
const TRIED: Uint8Array = new Uint8Array(1);
const TRIED_INTO: Uint8Array = new Uint8Array(128);

for (const codec of [createNone(), createLz4(), ...ofPlatform]) add(codec);

function add(codec: Codec): void {
  byName.set(codec.name, codec);
  byId.set(codec.id, codec);
}

/** The names that {@link getCodec} knows, in the order of their registration. */
export function codecNames(): string[] {
  return [...byName.keys()];
}

/**
 * The codec of this name: `"none"`, `"lz4"`, `"zstd"`, `"deflate"`, or one that was registered.
 *
 * @throws {ZbudError} `ENOENT`, naming the known ones; `ENOTSUP` for one that this platform cannot have.
 */
export function getCodec(name: string): Codec {
  const codec = byName.get(name);
  // Whoever chooses it is told, rather than whoever compresses with it later.
  if (codec && ofPlatform.includes(codec)) codec.compress(TRIED, TRIED_INTO);
  if (codec) return codec;
  throw new ZbudError("ENOENT", `no codec is named ${show(name)}; known are ${codecNames().join(", ")}`);
}

/**
 * The codec that wrote this id next to its block.
 *
 * @throws {ZbudError} `ENOENT`, naming the known ones.
 */
export function codecById(id: number): Codec {
  const codec = byId.get(id);
  if (codec) return codec;
  const known = [...byId.values()].map((each) => `${each.id} (${each.name})`).join(", ");
  throw new ZbudError("ENOENT", `no codec has the id ${show(id)}; known are ${known}`);
}

/**
 * Makes a codec available to everything that chooses one by name or id in this thread.
 *
 * @param codec - its name a non-empty string, its id an integer from 128 to 255; both not taken yet.
 * @throws {ZbudError} `EEXIST` for a taken name or id; `EINVAL` when a member is missing or malformed.
 */
export function registerCodec(codec: Codec): void {
  checkCodec(codec);
  const taken = byName.get(codec.name) ?? byId.get(codec.id);
  if (taken) {
    throw new ZbudError(
      "EEXIST",
      `codec ${show(codec.name)} with id ${codec.id} collides with ${show(taken.name)}, id ${taken.id}; choose others`,
    );
  }
  if (codec.id < USER_ID_MIN) {
    throw new ZbudError(
      "EINVAL",
      `id ${codec.id} of codec ${show(codec.name)} is reserved; use one from ${USER_ID_MIN} to 255`,
    );
  }
  add(codec);
}

/** @throws {ZbudError} `EINVAL` when a member is missing or malformed. */
export function checkCodec(codec: Codec): void {
  if (typeof codec !== "object" || codec === null) {
    throw new ZbudError(
      "EINVAL",
      `a codec is an object with name, id, maxCompressedLength, compress and decompress, not ${show(codec)}`,
    );
  }
  if (typeof codec.name !== "string" || codec.name === "") {
    throw new ZbudError("EINVAL", `a codec's name must be a non-empty string, not ${show(codec.name)}`);
  }
  if (!Number.isInteger(codec.id) || codec.id < 1 || codec.id > 255) {
    throw new ZbudError(
      "EINVAL",
      `the id of codec ${show(codec.name)} must be an integer from ${USER_ID_MIN} to 255, not ${show(codec.id)}`,
    );
  }
  for (const method of ["maxCompressedLength", "compress", "decompress"] as const) {
    if (typeof codec[method] !== "function") {
      throw new ZbudError("EINVAL", `codec ${show(codec.name)} has no method ${method}`);
    }
  }
}
