/** What stands for `segment.ts` in a bundle for browsers (`browser` in package.json). */
import { libc } from "./libc.ts";

// biome-ignore lint/complexity/noStaticOnlyClass: it stands for a class that has more
export class Segment {
  static open(): never {
    return libc() as never;
  }
}

export function segmentOf(): undefined {
  return undefined;
}

export function received<T>(shared: T): T {
  return shared;
}
