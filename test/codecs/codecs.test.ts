import { Prng, ZbudError } from "../../src/base/index.ts";
import {
  type Codec,
  createDeflate,
  createLz4,
  createZstd,
  getCodec,
  type ZstdBackend,
} from "../../src/codecs/index.ts";
import { codecContract } from "../contracts/codec.ts";
import { sample } from "./samples.ts";

const words = sample(3, 20_000, new Prng(77));
const noise = sample(0, 65_536, new Prng(78));

codecContract({ name: "none", compresses: false }, () => getCodec("none"));

codecContract({ name: "lz4", damaged: 20_000 }, () => getCodec("lz4"));
codecContract({ name: "lz4", title: "lz4, acceleration 9" }, () => createLz4({ acceleration: 9 }));
codecContract({ name: "lz4", title: "lz4, dictionary", damaged: 10_000 }, () =>
  createLz4({ dictionary: words }),
);
codecContract({ name: "lz4", title: "lz4, dictionary of 64 KiB" }, () => createLz4({ dictionary: noise }));
codecContract({ name: "lz4", title: "lz4, dictionary of 1 byte" }, () =>
  createLz4({ dictionary: Uint8Array.of(32) }),
);

codecContract({ name: "deflate" }, () => getCodec("deflate"));
codecContract({ name: "deflate", title: "deflate, level 1" }, () => createDeflate({ level: 1 }));

for (const backend of ["zstd-napi", "node:zlib"] satisfies ZstdBackend[]) {
  codecContract({ name: "zstd", title: `zstd on ${backend}` }, () => createZstd({ backend }));
  codecContract({ name: "zstd", title: `zstd on ${backend}, level 9, dictionary`, damaged: 1000 }, () =>
    createZstd({ backend, level: 9, dictionary: words }),
  );
}

codecContract({ name: "runs", title: "a user's codec" }, () => new RunLengths());

/** What a user could write: pairs of a count and a byte. */
class RunLengths implements Codec {
  readonly name: string = "runs";
  readonly id: number = 200;

  maxCompressedLength(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 30)
      throw new ZbudError("EINVAL", `it cannot compress ${n} bytes`);
    return 2 * n;
  }

  compress(source: Uint8Array, target: Uint8Array): number {
    check(source, target);
    if (source.length === 0) throw new ZbudError("EINVAL", "there is nothing to compress");
    let at = 0;
    for (let i = 0; i < source.length; ) {
      let run = 1;
      while (run < 255 && source[i + run] === source[i]) run++;
      if (at + 2 > target.length) return 0;
      target[at++] = run;
      target[at++] = source[i];
      i += run;
    }
    return at;
  }

  decompress(source: Uint8Array, target: Uint8Array): number {
    check(source, target);
    let at = 0;
    for (let i = 0; i < source.length; i += 2) {
      if (i + 1 === source.length || source[i] === 0 || at + source[i] > target.length) {
        throw new ZbudError("EBADMSG", `the block has a malformed run at ${i}`);
      }
      target.fill(source[i + 1], at, at + source[i]);
      at += source[i];
    }
    if (at === 0) throw new ZbudError("EBADMSG", "the block is empty, so it holds nothing");
    return at;
  }
}

function check(...arrays: Uint8Array[]): void {
  for (const array of arrays) {
    if (!(array instanceof Uint8Array)) throw new ZbudError("EINVAL", "a codec takes a Uint8Array");
  }
}
