import { ZbudError } from "../base/index.ts";
import type { PageMemory } from "../memory/index.ts";
import type { Place } from "./allocator.ts";

/**
 * A view of `size` bytes of the page memory.
 *
 * @throws {ZbudError} `EINVAL` if they are not there: somebody got at the buffer through a view of it.
 */
export function viewOf(memory: PageMemory, byte: number, size: number): Uint8Array {
  try {
    return new Uint8Array(memory.buffer, byte, size);
  } catch (cause) {
    throw new ZbudError(
      "EINVAL",
      "the pool's buffer was transferred or resized through a view's .buffer; copy an object with read() to send it on",
      { cause },
    );
  }
}

/** Copies an object's pieces out; `into` has room for them. */
export function copyOut(memory: PageMemory, place: Place, into: Uint8Array): void {
  into.set(viewOf(memory, place.offset, place.size));
  if (place.size2 > 0) into.set(viewOf(memory, place.offset2, place.size2), place.size);
}

/** Copies bytes into an object's pieces from its start; they fit. */
export function copyIn(memory: PageMemory, place: Place, bytes: Uint8Array): void {
  if (bytes.length <= place.size) {
    viewOf(memory, place.offset, place.size).set(bytes);
  } else {
    viewOf(memory, place.offset, place.size).set(bytes.subarray(0, place.size));
    viewOf(memory, place.offset2, place.size2).set(bytes.subarray(place.size));
  }
}
