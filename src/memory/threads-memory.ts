import { lockableBuffer, sharedBuffer } from "../base/index.ts";
import { type SharedMemory, sharedPages } from "./page-memory.ts";

/** Of less the allocator of the C library may have some that was used before, which it writes zeros to. */
const PAGES_FROM = 2 ** 16;

/** Memory for the threads of this process. */
export const threadsMemory: SharedMemory = {
  // Straight from the system it takes no memory before it is touched.
  buffer: (bytes) => (bytes < PAGES_FROM ? sharedBuffer(bytes) : sharedPages(bytes)),
  lockable: lockableBuffer,
  pages: sharedPages,
};
