/**
 * Places in memory that processes share, each of which one thread can have: the system takes it back when the thread
 * or its process ends, however it ends. A place is named by its byte in the buffer.
 */
export interface Places {
  /** False: another thread, of any process, has it. */
  take(byte: number): boolean;
  give(byte: number): void;
  /** Whether another thread has it. */
  isTaken(byte: number): boolean;
}

const places = new WeakMap<ArrayBufferLike, Places>();

/** Says that processes share a buffer, and how this thread takes places in it. */
export function noteProcessMemory(buffer: ArrayBufferLike, ofThread: Places): void {
  places.set(buffer, ofThread);
}

/** The places in a buffer that processes share; undefined for one that only threads do. */
export function placesOf(buffer: ArrayBufferLike): Places | undefined {
  return places.get(buffer);
}
