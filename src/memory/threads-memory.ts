import { lockableBuffer, sharedBuffer } from "../base/index.ts";
import { type SharedMemory, sharedPages } from "./page-memory.ts";

/** Memory for the threads of this process. */
export const threadsMemory: SharedMemory = {
  buffer: sharedBuffer,
  lockable: lockableBuffer,
  pages: sharedPages,
};
