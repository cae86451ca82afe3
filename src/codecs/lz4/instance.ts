import { copyBytes, ZbudError } from "../../base/index.ts";
import { instantiate, type Lz4Exports } from "./wasm.ts";

/** Where the module keeps what; the other side of assembly/layout.ts. */
const TAIL = 0x1000;
const PLAIN = 0x24000;
/** Where compressed bytes begin in {@link Lz4Instance.memory}. */
export const PACKED: number = 0x125000;
export const PLAIN_BYTES_MAX: number = 0x100000;
export const DICT_BYTES_MAX: number = 0x10000;
export const PACKED_BYTES_MAX: number = PLAIN_BYTES_MAX + Math.floor(PLAIN_BYTES_MAX / 255) + 16;

/** Made when it is needed for the first time. */
type View = Uint8Array | undefined;

/**
 * One instance of the module: copies a block in, has it worked on, copies the result out.
 *
 * Copying out needs a view of the result, and to make one would allocate. So views are kept, of multiples of
 * 256 bytes: one copy of such a view that is a little too long, zeroed behind the result, is the fastest. A
 * target that is too short for it gets the whole 256s, then the rest by one of the kept views of each length
 * up to 255, to where the module puts it.
 */
export class Lz4Instance {
  // Kept one by one: a call through the exports object takes 0.1 µs more.
  readonly #compress: Lz4Exports["compress"];
  readonly #decompress: Lz4Exports["decompress"];
  readonly #spill: Lz4Exports["spill"];
  readonly memory: Uint8Array;
  readonly #packedViews: View[] = new Array(4115).fill(undefined);
  readonly #plainViews: View[] = new Array(4097).fill(undefined);
  readonly #tailViews: View[] = new Array(256).fill(undefined);

  constructor(dictionary?: Uint8Array) {
    const { memory, compress, decompress, spill, setDictionary } = instantiate();
    this.memory = new Uint8Array(memory.buffer);
    this.#compress = compress;
    this.#decompress = decompress;
    this.#spill = spill;
    if (dictionary) {
      this.memory.set(dictionary, PLAIN - dictionary.length);
      setDictionary(dictionary.length);
    }
  }

  compress(source: Uint8Array, target: Uint8Array, acceleration: number): number {
    this.memory.set(source, PLAIN);
    const room = Math.min(target.length, PACKED_BYTES_MAX);
    const size = this.#compress(source.length, room, acceleration);
    if (size !== 0) this.#copyOut(this.#packedViews, PACKED, size, target);
    return size;
  }

  /** Compresses the first `length` bytes of `source` to PACKED, and leaves the result there. */
  encode(source: Uint8Array, length: number, room: number, acceleration: number): number {
    if (length === source.length) this.memory.set(source, PLAIN);
    else copyBytes(source, 0, length, this.memory, PLAIN);
    return this.#compress(length, Math.min(room, PACKED_BYTES_MAX), acceleration);
  }

  decompress(source: Uint8Array, target: Uint8Array): number {
    if (source.length > PACKED_BYTES_MAX) throw malformed(-2, source.length, target);
    this.memory.set(source, PACKED);
    return this.decode(source.length, target);
  }

  /** Decompresses the first `bytes` bytes at PACKED. */
  decode(bytes: number, target: Uint8Array): number {
    const size = this.#decompress(bytes, Math.min(target.length, PLAIN_BYTES_MAX));
    if (size <= 0) throw malformed(size, bytes, target);
    this.#copyOut(this.#plainViews, PLAIN, size, target);
    return size;
  }

  #copyOut(views: View[], start: number, size: number, target: Uint8Array): void {
    const rounded = (size + 255) >> 8;
    if (rounded << 8 <= target.length) {
      target.set(views[rounded] ?? this.#view(views, rounded, start, rounded << 8));
      return;
    }
    this.#spill(start, size);
    const whole = size >> 8;
    const tail = size & 255;
    if (whole !== 0) target.set(views[whole] ?? this.#view(views, whole, start, whole << 8));
    target.set(this.#tailViews[tail] ?? this.#view(this.#tailViews, tail, TAIL, tail), whole << 8);
  }

  #view(views: View[], index: number, start: number, length: number): Uint8Array {
    const view = new Uint8Array(this.memory.buffer, start, length);
    views[index] = view;
    return view;
  }
}

function malformed(result: number, bytes: number, target: Uint8Array): ZbudError {
  if (result === -1) return new ZbudError("EBADMSG", `a malformed lz4 block of ${bytes} bytes`);
  return new ZbudError(
    "EBADMSG",
    `an lz4 block of ${bytes} bytes holds nothing, or more than the ${target.length} bytes of its target`,
  );
}
