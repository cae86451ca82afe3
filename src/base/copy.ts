/** What Node's own arrays can and others cannot: copy a range without making a view of it. */
interface RangeCopy {
  call(
    source: Uint8Array,
    target: Uint8Array,
    targetStart: number,
    sourceStart: number,
    sourceEnd: number,
  ): number;
}

const copyRange = (globalThis as { Buffer?: { prototype: { copy: RangeCopy } } }).Buffer?.prototype.copy;

/**
 * Copies `source[start, end)` to `target[at…]`, where it fits. In Node this makes no object; elsewhere a view.
 *
 * Nothing is checked: both are Uint8Arrays, over any kind of buffer, and the ranges are inside of them.
 */
export const copyBytes: (
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
) => void =
  copyRange === undefined
    ? (source, start, end, target, at) => {
        target.set(source.subarray(start, end), at);
      }
    : (source, start, end, target, at) => {
        copyRange.call(source, target, at, start, end);
      };
