import type { Prng } from "../../src/base/index.ts";

/** Up to this length V8 keeps the bytes of an array in the heap, whose end is the process's. */
const HEAP_BYTES_MAX = 64;

/** What was asked of the system, and refused. */
export interface Scarcity {
  asked: number;
  refused: number;
}

interface Globals {
  WebAssembly: { Memory: new (...args: unknown[]) => object; Instance: new (...args: unknown[]) => object };
}
type Constructor = abstract new (...args: never[]) => object;

const TYPED = ["Uint8Array", "Int32Array", "Float64Array"] as const;

/**
 * Runs `work` while every buffer, array of bytes and WebAssembly memory that it makes, and every growth of a buffer,
 * is asked about first: those that `refuses` says so of get the engine's RangeError. `asked` counts on from call to
 * call of the same scarcity.
 */
export function whileScarce<T>(scarcity: Scarcity, refuses: (asked: number) => boolean, work: () => T): T {
  const ask = (): void => {
    if (!refuses(scarcity.asked++)) return;
    scarcity.refused++;
    throw new RangeError("Array buffer allocation failed");
  };
  const undo: (() => void)[] = [];
  const replace = (holder: object, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(holder, name) as PropertyDescriptor;
    Object.defineProperty(holder, name, { ...before, value });
    undo.push(() => Object.defineProperty(holder, name, before));
  };
  const asking = (holder: object, name: string, bytesOf: (...args: unknown[]) => number): void => {
    const real = (holder as Record<string, Constructor>)[name];
    const construct = (target: Constructor, args: never[], made: Constructor): object => {
      if (bytesOf(...args) > HEAP_BYTES_MAX) ask();
      return Reflect.construct(target, args, made === proxy ? target : made) as object;
    };
    const proxy: Constructor = new Proxy(real, { construct } as ProxyHandler<Constructor>);
    replace(holder, name, proxy);
  };
  try {
    const count = (first: unknown): number => (typeof first === "number" ? first : 0);
    // One that can grow takes its range of addresses from the start.
    const range = (first: unknown, options: unknown): number =>
      (options as { maxByteLength?: number } | undefined)?.maxByteLength ?? count(first);
    for (const name of ["ArrayBuffer", "SharedArrayBuffer"]) asking(globalThis, name, range);
    for (const name of TYPED)
      asking(globalThis, name, (first) => count(first) * globalThis[name].BYTES_PER_ELEMENT);
    const { WebAssembly } = globalThis as unknown as Globals;
    for (const name of ["Memory", "Instance"]) asking(WebAssembly, name, () => 2 ** 16);
    const { resize } = ArrayBuffer.prototype;
    replace(ArrayBuffer.prototype, "resize", function (this: ArrayBuffer, bytes: number): void {
      if (bytes > this.byteLength) ask();
      resize.call(this, bytes);
    });
    return work();
  } finally {
    for (const step of undo.reverse()) step();
  }
}

/** Some text or bytes, of which one in four does not compress. */
export function makeValue(prng: Prng, bytes: number): Uint8Array | string {
  if (prng.chance(0.25)) return Uint8Array.from({ length: bytes }, () => prng.below(256));
  return prng.chance(0.1)
    ? `${prng.uint32()} \ud800`.repeat(bytes >> 4)
    : `${prng.uint32()} `.repeat(bytes >> 3);
}
