import { builtin, noteFallback, ZbudError } from "../base/index.ts";

/**
 * The calls of the system's C library that memory between processes and giving back need. All of them are here and
 * nowhere else: through `node:ffi`, which is experimental, or the package koffi.
 *
 * Addresses are bigints. A call that gives a number gives 0 for "done", or -1; `posix_fallocate` gives the number of
 * the error.
 */
export interface Libc {
  /** Which of the two it is. */
  readonly through: "node:ffi" | "koffi";
  /** Where a buffer lies. It must not be one that the collector moves: at least 65 bytes. */
  address(buffer: ArrayBufferLike): bigint;
  mmap(at: bigint, bytes: bigint, protection: number, flags: number, file: number, offset: bigint): bigint;
  madvise(at: bigint, bytes: bigint, advice: number): number;
  /** Bytes of a page of the machine. */
  getpagesize(): number;
  flock(file: number, operation: number): number;
  /** @param argument - an address. */
  fcntl(file: number, command: number, argument: bigint): number;
  /** `posix_fallocate` and `fallocate`: undefined on macOS, which has neither. */
  readonly allocate: ((file: number, offset: bigint, bytes: bigint) => number) | undefined;
  readonly fallocate: ((file: number, mode: number, offset: bigint, bytes: bigint) => number) | undefined;
  /** `sysctlbyname(name, value, length, 0, 0)`, of macOS only. All are addresses. */
  readonly sysctl: ((name: bigint, value: bigint, length: bigint) => number) | undefined;
}

/** The part of `node:ffi` in use; the types of Node 22 do not declare it. */
interface NodeFfi {
  dlopen(path: null, functions: Record<string, Signature>): { functions: Record<string, Call> };
  getRawPointer(buffer: ArrayBufferLike): bigint;
}
interface Signature {
  arguments: string[];
  return: string;
}
type Call = (...values: (number | bigint)[]) => never;

/** The part of koffi in use. */
interface Koffi {
  load(path: null): { func(prototype: string): Call };
  address(buffer: ArrayBufferLike): bigint;
}

const SIGNATURES: Record<string, Signature> = {
  mmap: { arguments: ["pointer", "u64", "i32", "i32", "i32", "i64"], return: "pointer" },
  madvise: { arguments: ["pointer", "u64", "i32"], return: "i32" },
  flock: { arguments: ["i32", "i32"], return: "i32" },
  getpagesize: { arguments: [], return: "i32" },
};
const LINUX_SIGNATURES: Record<string, Signature> = {
  posix_fallocate: { arguments: ["i32", "i64", "i64"], return: "i32" },
  fallocate: { arguments: ["i32", "i32", "i64", "i64"], return: "i32" },
};
const APPLE_SIGNATURES: Record<string, Signature> = {
  sysctlbyname: { arguments: ["pointer", "pointer", "pointer", "pointer", "u64"], return: "i32" },
};
const FCNTL: Signature = { arguments: ["i32", "i32", "pointer"], return: "i32" };
/** Arguments that follow `...` go to the stack on Apple's arm64: eight that nobody reads fill the registers before. */
const FCNTL_APPLE: Signature = {
  arguments: ["i32", "i32", ...Array<string>(6).fill("u64"), "pointer"],
  return: "i32",
};
const FILLER = [0n, 0n, 0n, 0n, 0n, 0n];

/** Processors whose structures and calls are as written here. */
const ARCHITECTURES: readonly string[] = ["x64", "arm64", "loong64", "riscv64"];

let loaded: Libc | ZbudError | undefined;

/**
 * The C library.
 *
 * @throws {ZbudError} `ENOTSUP` where it cannot be reached, saying what to do. The same one at each call.
 */
export function libc(): Libc {
  loaded ??= load();
  if (loaded instanceof ZbudError) throw loaded;
  return loaded;
}

/** The C library, or undefined where it cannot be reached: then memory is not given back, which `stats()` says. */
export function libcIfAny(): Libc | undefined {
  loaded ??= load();
  if (!(loaded instanceof ZbudError)) return loaded;
  noteFallback("give-back");
  return undefined;
}

function load(): Libc | ZbudError {
  const { platform, arch } = globalThis.process ?? {};
  const isApple = platform === "darwin";
  if ((platform !== "linux" && !isApple) || !ARCHITECTURES.includes(arch)) {
    const here = platform === undefined ? "a browser" : `${platform} on ${arch}`;
    return notSupported(
      `memory between processes needs Linux or macOS on a processor of 64 bits, and this is ${here}; leave the name out: shared: true shares among the threads of one process`,
    );
  }
  let refused: unknown;
  try {
    const ffi = builtin<NodeFfi>("node:ffi");
    if (ffi !== undefined) return throughFfi(ffi, isApple);
  } catch (cause) {
    refused = cause;
  }
  let broken: unknown;
  try {
    const koffi = installedKoffi();
    if (koffi !== undefined) return throughKoffi(koffi, isApple);
  } catch (cause) {
    broken = cause;
  }
  if (isDenied(refused) || isDenied(broken)) {
    return notSupported(
      "memory between processes needs calls of the system, which Node does not permit here: with --permission, add --allow-ffi (or --allow-addons for the package koffi)",
      refused ?? broken,
    );
  }
  if (broken !== undefined) {
    return notSupported(
      `memory between processes needs the package koffi here, and it does not load: ${(broken as Error).message}; install it anew, with its optional dependencies: npm install koffi`,
      broken,
    );
  }
  return notSupported(
    "memory between processes needs node:ffi, which Node has from 26.10, or the package koffi: npm install koffi",
    refused,
  );
}

function isDenied(cause: unknown): boolean {
  const { code } = (cause ?? {}) as { code?: unknown };
  // The second: an addon under --permission.
  return code === "ERR_ACCESS_DENIED" || code === "ERR_DLOPEN_DISABLED";
}

/** Koffi as the library's user has installed it; undefined: it is not installed. */
function installedKoffi(): Koffi | undefined {
  const { createRequire } = builtin<typeof import("node:module")>("node:module") ?? {};
  // In a bundle, the library's own address is that of its sources, or there is none: then the program's counts.
  for (const place of [import.meta.url, globalThis.process.argv[1]]) {
    if (place === undefined) continue;
    try {
      return createRequire?.(place)("koffi") as Koffi;
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code !== "MODULE_NOT_FOUND" || !message.includes("'koffi'")) throw cause;
    }
  }
  return undefined;
}

function notSupported(message: string, cause?: unknown): ZbudError {
  return new ZbudError("ENOTSUP", message, cause === undefined ? undefined : { cause });
}

function throughFfi(ffi: NodeFfi, isApple: boolean): Libc {
  const { functions } = ffi.dlopen(null, {
    ...SIGNATURES,
    fcntl: isApple ? FCNTL_APPLE : FCNTL,
    ...(isApple ? APPLE_SIGNATURES : LINUX_SIGNATURES),
  });
  const { mmap, madvise, flock, fcntl, getpagesize, fallocate, sysctlbyname } = functions;
  return {
    through: "node:ffi",
    address: (buffer) => ffi.getRawPointer(buffer),
    mmap,
    madvise,
    getpagesize,
    flock,
    fcntl: isApple
      ? (file, command, argument) => fcntl(file, command, ...FILLER, argument)
      : (file, command, argument) => fcntl(file, command, argument),
    allocate: functions.posix_fallocate,
    fallocate,
    sysctl: isApple ? (name, value, length) => sysctlbyname(name, value, length, 0n, 0n) : undefined,
  };
}

function throughKoffi(koffi: Koffi, isApple: boolean): Libc {
  const library = koffi.load(null);
  const mmap = library.func("uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)") as Call;
  const fcntl = library.func(
    isApple ? `int fcntl(int, int, ${"uint64_t, ".repeat(6)}uintptr_t)` : "int fcntl(int, int, uintptr_t)",
  );
  const sysctlbyname = isApple
    ? library.func("int sysctlbyname(uintptr_t, uintptr_t, uintptr_t, uintptr_t, size_t)")
    : undefined;
  return {
    through: "koffi",
    address: (buffer) => BigInt(koffi.address(buffer)),
    mmap: (...values) => BigInt(mmap(...values)),
    madvise: library.func("int madvise(uintptr_t, size_t, int)"),
    getpagesize: library.func("int getpagesize()"),
    flock: library.func("int flock(int, int)"),
    fcntl: isApple
      ? (file, command, argument) => fcntl(file, command, ...FILLER, argument)
      : (file, command, argument) => fcntl(file, command, argument),
    allocate: isApple ? undefined : library.func("int posix_fallocate(int, int64_t, int64_t)"),
    fallocate: isApple ? undefined : library.func("int fallocate(int, int, int64_t, int64_t)"),
    sysctl: sysctlbyname && ((name, value, length) => sysctlbyname(name, value, length, 0n, 0n)),
  };
}
