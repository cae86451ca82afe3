/** What stands for `libc.ts` in a bundle for browsers (`browser` in package.json). */
import { noteFallback, ZbudError } from "../base/index.ts";

export function libc(): never {
  throw new ZbudError(
    "ENOTSUP",
    "memory between processes needs Linux or macOS, and this is a browser; leave the name out: shared: true shares among workers",
  );
}

export function libcIfAny(): undefined {
  noteFallback("give-back");
  return undefined;
}
