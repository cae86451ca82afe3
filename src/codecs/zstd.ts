import { builtin, checkNames, integerOption, show, ZbudError } from "../base/index.ts";
import { checkCompress, checkDecompress, checkLength, SOURCE_BYTES_MAX } from "./arguments.ts";
import type { Codec } from "./types.ts";
import { decompressBlock, nodeZlib, unshared, ZlibBlocks } from "./zlib.ts";

/** What compresses: the optional native package, or Node itself. */
export type ZstdBackend = "zstd-napi" | "node:zlib";

/** Options of {@link createZstd}. */
export interface ZstdOptions {
  /** -100 (fastest) to 22 (smallest); 1 if absent. 0 is zstd's own default, 3. */
  level?: number;
  /** Bytes that the data resembles, for example from `trainDictionary`; the same in both directions. */
  dictionary?: Uint8Array;
  /** Insists on one backend; if absent, `zstd-napi` when it is installed, else `node:zlib`. */
  backend?: ZstdBackend;
}

/** A zstd codec says what it runs on. */
export interface ZstdCodec extends Codec {
  /** Which backend is in use. Reading it loads the backend. */
  readonly backend: ZstdBackend;
}

/** The part of the package `zstd-napi/binding` that is used. */
interface Binding {
  CCtx: new () => {
    setParameter(parameter: number, value: number): void;
    loadDictionary(dictionary: Uint8Array): void;
    compress2(target: Uint8Array, source: Uint8Array): number;
  };
  DCtx: new () => {
    decompress(target: Uint8Array, source: Uint8Array): number;
    decompressUsingDDict(target: Uint8Array, source: Uint8Array, dictionary: object): number;
  };
  DDict: new (dictionary: Uint8Array) => object;
  CParameter: { compressionLevel: number; checksumFlag: number; dictIDFlag: number };
}

/** Compresses and decompresses with checked arguments. */
interface Engine {
  compress(source: Uint8Array, target: Uint8Array): number;
  decompress(source: Uint8Array, target: Uint8Array): number;
}

/**
 * Zstandard frames, without checksum, by the package `zstd-napi` if it is installed, or else by node:zlib. Both
 * keep their contexts from the first block on, and take as long; but before Node 24 node:zlib needs a new
 * context for each block that it decompresses, and takes three times as long for 4 KiB.
 *
 * A thread may be killed while it works. Where Node runs with `--permission`, node:zlib can, very rarely, abort
 * the process then.
 *
 * @throws {ZbudError} `EINVAL` for an option out of range; `ENOTSUP` when the backend asked for is missing.
 *   Where there is no backend at all, as in browsers, its methods throw `ENOTSUP`.
 */
export function createZstd(options: ZstdOptions = {}): ZstdCodec {
  checkNames("createZstd", options, ["level", "dictionary", "backend"]);
  const level = integerOption("level", options.level ?? 1, -100, 22);
  const { dictionary, backend } = options;
  if (dictionary !== undefined && !(dictionary instanceof Uint8Array && dictionary.length > 0)) {
    throw new ZbudError(
      "EINVAL",
      `dictionary must be a Uint8Array of 1 byte or more, not ${show(dictionary)}`,
    );
  }
  if (backend !== undefined && backend !== "zstd-napi" && backend !== "node:zlib") {
    throw new ZbudError("EINVAL", `backend must be "zstd-napi" or "node:zlib", not ${show(backend)}`);
  }
  if (backend === "zstd-napi" && !loadBinding()) {
    throw new ZbudError("ENOTSUP", "the package zstd-napi is not installed or does not load here");
  }
  return new Zstd(level, dictionary?.slice(), backend);
}

class Zstd implements ZstdCodec {
  readonly name: string = "zstd";
  readonly id: number = 3;
  readonly #level: number;
  readonly #dictionary: Uint8Array | undefined;
  #backend: ZstdBackend | undefined;
  #engine: Engine | undefined;

  constructor(level: number, dictionary: Uint8Array | undefined, backend: ZstdBackend | undefined) {
    this.#level = level;
    this.#dictionary = dictionary;
    this.#backend = backend;
  }

  get backend(): ZstdBackend {
    this.#backend ??= loadBinding() ? "zstd-napi" : "node:zlib";
    return this.#backend;
  }

  maxCompressedLength(n: number): number {
    return maxCompressedLength(checkLength(n, SOURCE_BYTES_MAX));
  }

  compress(source: Uint8Array, target: Uint8Array): number {
    checkCompress(this.name, source, target, SOURCE_BYTES_MAX);
    return (this.#engine ?? this.#start()).compress(source, target);
  }

  decompress(source: Uint8Array, target: Uint8Array): number {
    checkDecompress(this.name, source, target);
    return (this.#engine ?? this.#start()).decompress(source, target);
  }

  #start(): Engine {
    const binding = this.backend === "zstd-napi" ? loadBinding() : null;
    this.#engine = binding
      ? new NativeEngine(binding, this.#level, this.#dictionary)
      : new ZlibEngine(this.#level, this.#dictionary);
    return this.#engine;
  }
}

class NativeEngine implements Engine {
  readonly #compressor: InstanceType<Binding["CCtx"]>;
  readonly #decompressor: InstanceType<Binding["DCtx"]>;
  readonly #dictionary: object | null;

  constructor(binding: Binding, level: number, dictionary: Uint8Array | undefined) {
    this.#compressor = new binding.CCtx();
    this.#compressor.setParameter(binding.CParameter.compressionLevel, level);
    this.#compressor.setParameter(binding.CParameter.checksumFlag, 0);
    this.#compressor.setParameter(binding.CParameter.dictIDFlag, 0);
    this.#decompressor = new binding.DCtx();
    if (dictionary) this.#compressor.loadDictionary(dictionary);
    this.#dictionary = dictionary ? new binding.DDict(dictionary) : null;
  }

  compress(source: Uint8Array, target: Uint8Array): number {
    try {
      return this.#compressor.compress2(target, unshared(source));
    } catch (error) {
      if (isTooSmall(error)) return 0;
      throw error;
    }
  }

  decompress(source: Uint8Array, target: Uint8Array): number {
    let written: number;
    try {
      const input = unshared(source);
      const decompressor = this.#decompressor;
      written = this.#dictionary
        ? decompressor.decompressUsingDDict(target, input, this.#dictionary)
        : decompressor.decompress(target, input);
    } catch (cause) {
      throw isTooSmall(cause) ? tooLarge(source, target) : malformed(source, cause);
    }
    if (written === 0) throw tooLarge(source, target);
    return written;
  }
}

class ZlibEngine implements Engine {
  readonly #compressor: ZlibBlocks;
  readonly #decompressor: ZlibBlocks;

  constructor(level: number, dictionary: Uint8Array | undefined) {
    const { constants, zstdCompressSync, zstdDecompressSync } = nodeZlib("zstd");
    const params = {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 0,
      [constants.ZSTD_c_dictIDFlag]: 0,
    };
    const shared = dictionary ? { dictionary } : {};
    this.#compressor = new ZlibBlocks("ZstdCompress", zstdCompressSync, { params, ...shared });
    // Later versions of Node would otherwise take no notice of a few bytes after a frame.
    const whole = { rejectGarbageAfterEnd: true, ...shared };
    this.#decompressor = new ZlibBlocks("ZstdDecompress", zstdDecompressSync, whole);
  }

  compress(source: Uint8Array, target: Uint8Array): number {
    const room = Math.min(target.length, maxCompressedLength(source.length));
    return this.#compressor.convert(source, target, room);
  }

  decompress(source: Uint8Array, target: Uint8Array): number {
    return decompressBlock("zstd", this.#decompressor, source, target);
  }
}

function maxCompressedLength(n: number): number {
  return n + (n >>> 8) + 64;
}

function isTooSmall(error: unknown): boolean {
  return error instanceof Error && error.message === "Destination buffer is too small";
}

function tooLarge(source: Uint8Array, target: Uint8Array): ZbudError {
  return new ZbudError(
    "EBADMSG",
    `a zstd block of ${source.length} bytes holds nothing, or more than the ${target.length} bytes of its target`,
  );
}

function malformed(source: Uint8Array, cause: unknown): ZbudError {
  return new ZbudError("EBADMSG", `a malformed zstd block of ${source.length} bytes`, { cause });
}

function bindingFrom(place: string | undefined): Binding | undefined {
  const module = builtin<typeof import("node:module")>("node:module");
  if (module === undefined || place === undefined) return undefined;
  try {
    return module.createRequire(place)("zstd-napi/binding") as Binding;
  } catch {
    return undefined;
  }
}

let loaded: Binding | null | undefined;

/** The native package, or null where it is not installed. Looks for it once. */
function loadBinding(): Binding | null {
  if (loaded === undefined) {
    // In a bundle, the library's own address is that of its sources, or there is none: then the program's counts.
    loaded = bindingFrom(import.meta.url) ?? bindingFrom(globalThis.process?.argv?.[1]) ?? null;
  }
  return loaded;
}
