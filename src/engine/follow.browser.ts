/** What stands for `follow.ts` in a bundle for browsers (`browser` in package.json). */
import { ZbudError } from "../base/index.ts";

export function follow(): never {
  throw new ZbudError(
    "ENOTSUP",
    "a browser does not tell how much memory there is; give maxBytes as a number of bytes, not as { min, max }",
  );
}
