import { ZbudError } from "../../base/index.ts";
import { LZ4_MODULE } from "./module.generated.ts";

/** What the module offers; see assembly/ for each function. */
export interface Lz4Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  compress(bytes: number, room: number, acceleration: number): number;
  decompress(bytes: number, room: number): number;
  setDictionary(bytes: number): void;
  spill(start: number, size: number): void;
}

/** The part of the WebAssembly API in use; the language's own library does not declare it. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: unknown };
}

let compiled: object | undefined;

/**
 * A new instance of the embedded module. Compiling happens at the first call, and is synchronous: the module
 * is small enough for a browser's main thread.
 *
 * @throws {ZbudError} `ENOTSUP` where there is no WebAssembly with SIMD, or a policy forbids it; `ENOMEM` if the
 *   system has no memory for its instance.
 */
export function instantiate(): Lz4Exports {
  const api = (globalThis as unknown as { WebAssembly?: WebAssemblyApi }).WebAssembly;
  if (!api) throw new ZbudError("ENOTSUP", "codec lz4 needs WebAssembly, which this platform does not have");
  try {
    compiled ??= new api.Module(embeddedModule());
    return new api.Instance(compiled).exports as Lz4Exports;
  } catch (cause) {
    if (cause instanceof RangeError) {
      throw new ZbudError(
        "ENOMEM",
        "the system gave codec lz4 no memory of 2.2 MiB; free some and try again",
        {
          cause,
        },
      );
    }
    throw new ZbudError("ENOTSUP", "codec lz4 needs WebAssembly with SIMD; this platform refused it", {
      cause,
    });
  }
}

/** The embedded module's bytes. */
function embeddedModule(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(LZ4_MODULE.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (digitAt(2 * i) << 4) | digitAt(2 * i + 1);
  return bytes;
}

/** One hexadecimal digit: "0" is 48, "a" is 97. */
function digitAt(index: number): number {
  const code = LZ4_MODULE.charCodeAt(index);
  return code < 58 ? code - 48 : code - 87;
}
