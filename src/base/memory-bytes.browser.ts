/** What stands for `memory-bytes.ts` in a bundle for browsers (`browser` in package.json). */
import { ZbudError } from "./errors.ts";

export function memoryBytes(): never {
  throw new ZbudError(
    "ENOTSUP",
    "this system does not tell how much memory there is, which a percentage needs; give a number of bytes",
  );
}
