/**
 * What works in a slower or weaker way here, since the platform lacks something:
 *
 * | name | missing | so |
 * | --- | --- | --- |
 * | `"shared-memory"` | SharedArrayBuffer (a page that is not cross-origin isolated) | threads cannot share what is kept |
 * | `"wasm-lock"` | shared memory that WebAssembly reaches, or leave for WebAssembly | a lock and unlock take 19 ns, not 8 |
 * | `"thread-death"` | a system that tells which threads live: Linux | `threadGone(threadId)` must be called for a thread that was killed |
 * | `"give-back"` | node:ffi, or the package koffi | memory that is freed stays with the process until it is closed |
 * | `"file-system-full"` | room in the file system that has the memory which processes share | less is kept than `maxBytes` |
 * | `"zlib-handle"` | access to node:zlib's handles (`--permission`) | zstd over node:zlib takes 2 to 3 times as long, deflate up to 1.6 times; a killed thread can, very rarely, abort the process |
 * | `"zstd-frames"` | notice of frames that are cut off: Node 24 | zstd over node:zlib takes 3 times as long to decompress 4 KiB |
 * | `"crc32"` | node:zlib's CRC-32 | checksums are calculated in JavaScript |
 * | `"dictionary-worker"` | worker threads, or leave to start one | a dictionary is learned in slices of 1 ms between the sets of this thread |
 * | `"load-cycles"` | contexts that follow promises: Node 24 | loads that wait for themselves are noticed in a loader's synchronous part only |
 * | `"folder-flush"` | a flush of a folder (Windows, some network file systems) | a file that was saved may have its old name after a power failure |
 * | `"keyv-errors"` | node:async_hooks | an error that a Keyv store emits is not matched to its call |
 */
export type Fallback =
  | "crc32"
  | "dictionary-worker"
  | "file-system-full"
  | "folder-flush"
  | "give-back"
  | "keyv-errors"
  | "load-cycles"
  | "shared-memory"
  | "thread-death"
  | "wasm-lock"
  | "zlib-handle"
  | "zstd-frames";

const taken = new Set<Fallback>();

/** Says that this thread makes do without something from now on. To say it again costs nothing to speak of. */
export function noteFallback(name: Fallback): void {
  taken.add(name);
}

/** What this thread has had to make do without so far, in the order of the alphabet; usually nothing. */
export function fallbacks(): Fallback[] {
  return [...taken].sort();
}
