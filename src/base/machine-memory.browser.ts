/** What stands for `machine-memory.ts` in a bundle for browsers, which tell nothing (`browser` in package.json). */
import { ZbudError } from "./errors.ts";

export class MemoryReader {
  constructor() {
    memoryBytes();
  }

  read(): never {
    return memoryBytes();
  }

  close(): void {}
}

export function machineMemory(): never {
  return memoryBytes();
}

export function memoryBytes(): never {
  throw new ZbudError(
    "ENOTSUP",
    "this system does not tell how much memory there is, which a percentage and { min, max } need; give a number of bytes",
  );
}

export function availableBytes(): number {
  return Number.POSITIVE_INFINITY;
}
