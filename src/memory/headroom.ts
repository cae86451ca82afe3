/** Bytes that are left to the rest of a memory group when room is taken in shared memory. */
const RESERVE_BYTES = 2 ** 22;

/** Whether so many bytes can be taken without the kernel having to end a process for memory. */
export function hasHeadroom(bytes: number): boolean {
  return bytes + RESERVE_BYTES <= Number.POSITIVE_INFINITY;
}
