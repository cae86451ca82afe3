import { TAIL } from "./layout";

@inline
export function copy16(target: u32, source: u32): void {
  v128.store(target, v128.load(source));
}

/** Copies 16 bytes at a time until `end` is reached, at least once. */
@inline
export function wildCopy16(target: u32, source: u32, end: u32): void {
  do {
    copy16(target, source);
    target += 16;
    source += 16;
  } while (target < end);
}

/** Copies 32 bytes at a time until `end` is reached, at least once. `target - source` is 16 or more. */
@inline
export function wildCopy32(target: u32, source: u32, end: u32): void {
  do {
    copy16(target, source);
    copy16(target + 16, source + 16);
    target += 32;
    source += 32;
  } while (target < end);
}

/** Zeroes the 256 bytes from `end` on, for the caller copies a result in whole views of 256. */
@inline
export function pad(end: u32): void {
  const zeros = i8x16.splat(0);
  for (let i: u32 = 0; i < 256; i += 64) {
    v128.store(end + i, zeros);
    v128.store(end + i, zeros, 16);
    v128.store(end + i, zeros, 32);
    v128.store(end + i, zeros, 48);
  }
}

/** Copies to TAIL the bytes of a result of `size` at `start` that do not fill a view of 256. */
export function spill(start: u32, size: u32): void {
  wildCopy16(TAIL, start + (size & ~255), TAIL + (size & 255));
}
