/** What stands for `memory-bytes.ts` in a bundle for browsers (`browser` in package.json). */
import { ZbudError } from "./errors.ts";

export function memoryBytes(): never {
  throw new ZbudError("ENOTSUP", "how much memory there is, is not known here; give a number of bytes");
}
