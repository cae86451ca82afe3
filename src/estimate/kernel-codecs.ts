import { type Codec, createDeflate, createLz4, createZstd } from "../codecs/index.ts";
import { ZSTD_DEFAULT } from "./kernel-names.ts";
import { Lz4hc } from "./lz4hc.ts";

/** The kernel's levels of zstd that are compared. */
const ZSTD_LEVELS = [1, 2, 3, 4, 5, 6];
/** Bytes of the dictionary that is tried. */
export const DICTIONARY_BYTES = 32_768;
/** A search of our own that is slow: of more pages so many say enough. */
const SLOW_PAGES = 2048;

/** One way in which the kernel can compress a page. */
export interface KernelCodec {
  /** As zram's `comp_algorithm` and zswap's `compressor` name it. */
  algorithm: string;
  /** Null: it has none, or the kernel's own. */
  level: number | null;
  dictionaryBytes: number | null;
  /** Whether zswap can have it: it takes no level and no dictionary. */
  inZswap: boolean;
  /** Whether times here say something of the kernel's. */
  timed: boolean;
  /** The most pages to compress with it. */
  maxPages: number;
  codec: Codec;
}

/** What can be measured here, quickest first. */
export function kernelCodecs(): KernelCodec[] {
  const of = (algorithm: string, codec: Codec, more: Partial<KernelCodec> = {}): KernelCodec => ({
    algorithm,
    codec,
    level: null,
    dictionaryBytes: null,
    inZswap: true,
    timed: true,
    maxPages: Number.POSITIVE_INFINITY,
    ...more,
  });
  return [
    of("lz4", createLz4()),
    of("lz4hc", new Lz4hc(), { timed: false, maxPages: SLOW_PAGES }),
    ...ZSTD_LEVELS.map((level) =>
      of("zstd", createZstd({ level }), { level, inZswap: level === ZSTD_DEFAULT }),
    ),
    of("deflate", createDeflate()),
  ];
}

/** zstd with what the pages share; for zram alone. */
export function dictionaryCodec(dictionary: Uint8Array): KernelCodec {
  return {
    algorithm: "zstd",
    level: ZSTD_DEFAULT,
    dictionaryBytes: dictionary.length,
    inZswap: false,
    timed: true,
    maxPages: Number.POSITIVE_INFINITY,
    codec: createZstd({ level: ZSTD_DEFAULT, dictionary }),
  };
}

/** What the kernel has and no well-kept package for JavaScript does. */
export const NOT_MEASURED: readonly { algorithm: string; why: string }[] = [
  {
    algorithm: "lzo-rle",
    why: "no package compresses with it; a real zram took 1 or 2 % less than with lz4",
  },
  { algorithm: "lzo", why: "the one package that compresses with it is not kept up; it is close to lzo-rle" },
  { algorithm: "842", why: "there is no package for it; it is made for POWER's hardware" },
];
