/**
 * A native handle of node:zlib: what its streams and synchronous functions compress with. Only the methods
 * that are used here.
 */
interface Native {
  onerror: (message: string, errno: number, code: string) => void;
  init(...args: unknown[]): void;
  reset(): void;
  close(): void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputBytes: number,
    output: Uint8Array,
    outputAt: number,
    outputBytes: number,
  ): void;
}

type NativeClass = new (...args: unknown[]) => Native;
/** The classes of node:zlib's handles. */
export type HandleKind = "Zlib" | "ZstdCompress" | "ZstdDecompress";
/** One of node:zlib's synchronous functions. */
export type ZlibFunction = (source: Uint8Array, options: object) => unknown;
/** What node:zlib itself would hand to a handle. */
interface Recipe {
  made: unknown[];
  inited: unknown[];
  flush: number;
  state: Uint32Array;
}

const PROBE = Uint8Array.of(0x7a, 0x62, 0x75, 0x64);

/**
 * One native handle, ready to compress or decompress one block.
 *
 * Each of node:zlib's functions and streams makes such a handle, then an array, then initialises the handle.
 * Making the array is a moment at which V8 ends a thread that is to be terminated, and a handle that was made
 * but not initialised aborts the whole process when the thread's memory is cleared ("close before init"). So
 * here it is made and initialised in one go, with the arguments that node:zlib itself would have used.
 */
export class ZlibHandle {
  /** What went wrong in the last {@link write}. */
  error: (Error & { code: string; errno: number }) | null = null;
  readonly #native: Native;
  readonly #recipe: Recipe;

  constructor(Native: NativeClass, recipe: Recipe) {
    const { made, inited } = recipe;
    // Nothing may come between these two: V8 ends a thread where a function begins or a loop turns, and in
    // constructors of arrays. Both of these are native.
    const native = new Native(...made);
    native.init(...inited);
    native.onerror = (message, errno, code) => {
      this.error = Object.assign(new Error(message), { errno, code });
    };
    this.#native = native;
    this.#recipe = recipe;
  }

  /** The bytes of `output` that the last {@link write} left free. If there are any, it was done. */
  get room(): number {
    return this.#recipe.state[0];
  }

  /** The bytes of `input` that the last {@link write} did not read. */
  get unread(): number {
    return this.#recipe.state[1];
  }

  /** Works from the first `inputBytes` of `input` into the first `outputBytes` of `output`. False: {@link error}. */
  write(input: Uint8Array, inputBytes: number, output: Uint8Array, outputBytes: number): boolean {
    this.error = null;
    // In a thread that is just being terminated nobody is told of an error: then nothing was written.
    this.#recipe.state[0] = 0;
    this.#native.writeSync(this.#recipe.flush, input, 0, inputBytes, output, 0, outputBytes);
    return this.error === null;
  }

  /** Back to the state before the first block. Some versions of Node lose zstd's options and dictionary by this. */
  reset(): void {
    this.#native.reset();
  }

  close(): void {
    this.#native.close();
  }
}

/**
 * Finds out how this Node's zlib makes a handle for `run` with `options`, and how it writes to one, by letting
 * `run` make a pretended one.
 *
 * @returns what makes such handles, or null if this engine does not let itself be asked (`--permission`), or
 *   writes to handles in a way unknown here. (Natives abort the process when they are called in a wrong way.)
 */
export function learnHandle(kind: HandleKind, run: ZlibFunction, options: object): (() => ZlibHandle) | null {
  try {
    const binding = zlibBinding();
    const Native = binding[kind];
    const use: Use = { made: [], inited: [], written: [] };
    binding[kind] = pretender(use);
    try {
      run(PROBE, options);
    } finally {
      binding[kind] = Native;
    }
    const recipe = recipeOf(use);
    const methods = ["init", "writeSync", "reset", "close"];
    if (recipe === null || !methods.every((name) => name in Native.prototype)) return null;
    // A state of its own for each handle, which the native side writes to.
    const at = recipe.inited.indexOf(recipe.state);
    return () => {
      const state = new Uint32Array(2);
      return new ZlibHandle(Native, { ...recipe, state, inited: recipe.inited.with(at, state) });
    };
  } catch {
    return null;
  }
}

/** How a native handle was used: what came with its making, its initialisation, and a write. */
interface Use {
  made: unknown[];
  inited: unknown[];
  written: unknown[];
}

/** A class that stands in for one of natives, and notes its use. */
function pretender(use: Use): NativeClass {
  return class {
    onerror = (): void => {};
    constructor(...args: unknown[]) {
      use.made = args;
    }
    init(...args: unknown[]): void {
      // Node uses one array of parameters for all.
      use.inited = args.map((arg) => (arg instanceof Uint32Array && arg.length > 2 ? arg.slice() : arg));
    }
    writeSync(...args: unknown[]): void {
      use.written = args;
      // All was read, nothing came out.
      use.inited.find(isState)?.set([Number(args[6]), 0]);
    }
    reset(): void {}
    close(): void {}
  };
}

/** Where a native says what is left after a write: of output, of input. */
function isState(value: unknown): value is Uint32Array {
  return value instanceof Uint32Array && value.length === 2;
}

function recipeOf({ made, inited, written }: Use): Recipe | null {
  const [flush, input, inputAt, inputBytes, output, outputAt, outputBytes] = written;
  const state = inited.find(isState);
  const isKnown =
    state !== undefined &&
    written.length === 7 &&
    typeof flush === "number" &&
    input === PROBE &&
    inputAt === 0 &&
    inputBytes === PROBE.length &&
    output instanceof Uint8Array &&
    outputAt === 0 &&
    outputBytes === output.length;
  return isKnown ? { made, inited, flush, state } : null;
}

/** Node's own table of zlib's native classes. It is deprecated, which nobody needs to be told who did not ask for it. */
function zlibBinding(): Record<HandleKind, NativeClass> {
  const process = globalThis.process as unknown as {
    noDeprecation?: boolean | undefined;
    binding(name: string): Record<HandleKind, NativeClass>;
  };
  const before = process.noDeprecation;
  process.noDeprecation = true;
  try {
    return process.binding("zlib");
  } finally {
    process.noDeprecation = before;
  }
}
