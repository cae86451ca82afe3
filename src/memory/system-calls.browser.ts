/** What stands for `system-calls.ts` in a bundle for browsers (`browser` in package.json). */
import { libc } from "./libc.ts";

export function systemOf(): never {
  return libc() as never;
}

export function bootId(): never {
  return systemOf();
}

/** There is none. */
export class System {}

export const MAP_UNIT = 0;
