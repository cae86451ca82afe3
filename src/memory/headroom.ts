import { MemoryReader } from "../base/index.ts";

/** Bytes that are left to the rest of a memory group when room is taken in shared memory. */
const RESERVE_BYTES = 2 ** 22;
/** What was read counts for so long, and until that much room was taken. */
const FRESH_MS = 20;

let reader: MemoryReader | undefined;
let readAt = Number.NEGATIVE_INFINITY;
let left = 0;

/** Whether so many bytes can be taken without the kernel having to end a process for memory. */
export function hasHeadroom(bytes: number): boolean {
  if (left < bytes || performance.now() - readAt > FRESH_MS) {
    reader ??= new MemoryReader();
    left = reader.read().availableBytes - RESERVE_BYTES;
    readAt = performance.now();
  }
  if (left < bytes) return false;
  left -= bytes;
  return true;
}
