import { powerOfTwoAtLeast, ZbudError } from "../../base/index.ts";
import { type PageSizeRange, SLOTS_MAX } from "../../pool/index.ts";

/** The smallest page that a later refit may choose, unless the first ones are smaller. */
export const PAGE_SIZE_MIN = 256;
const SEGMENT_BYTES_MIN = 2 ** 16;
const SEGMENT_BYTES_MAX = 2 ** 20;

/** How the memory of a pool is divided; all that does not change after it was made. */
export interface Geometry {
  readonly chunkOrder: number;
  readonly chunkCount: number;
  readonly segmentBytes: number;
  readonly segments: number;
  readonly rowsShift: number;
  readonly maxObjectBytes: number;
}

/**
 * How the memory is divided: into segments that are small against the whole, so that no size class keeps much that it
 * does not use, and large against a page, so that little is left at their ends.
 *
 * @param minPageSize - the smallest page that there may be later, unless the first ones are smaller.
 * @throws {ZbudError} `EINVAL` if maxBytes is too small for the page sizes, or too large for a handle.
 */
export function geometryOf(
  maxBytes: number,
  chunkOrder: number,
  ranges: readonly PageSizeRange[],
  minPageSize: number = PAGE_SIZE_MIN,
): Geometry {
  const sizes = ranges.map(({ pageSize }) => pageSize);
  const largest = Math.max(...sizes);
  const floorPower = (bytes: number): number => 2 ** Math.floor(Math.log2(Math.max(bytes, 1)));
  const segmentBytes = Math.min(
    Math.max(
      floorPower(maxBytes / 128),
      Math.min(SEGMENT_BYTES_MIN, floorPower(maxBytes / 16)),
      Math.min(powerOfTwoAtLeast(16 * largest), floorPower(maxBytes / 64)),
      powerOfTwoAtLeast(largest),
    ),
    SEGMENT_BYTES_MAX,
  );
  const segments = Math.floor(maxBytes / segmentBytes);
  if (segments < sizes.length) {
    throw new ZbudError(
      "EINVAL",
      `maxBytes must be at least ${sizes.length * segmentBytes} for ${sizes.length} page sizes of up to ${largest} bytes, not ${maxBytes}`,
    );
  }
  const least = Math.min(floorPower(minPageSize), floorPower(Math.min(...sizes)));
  const rowsMost = Math.floor(SLOTS_MAX / 2 / segments);
  const rowsShift = Math.min(Math.log2(segmentBytes / least), Math.floor(Math.log2(rowsMost)));
  if (rowsShift < 0 || Math.min(...sizes) < segmentBytes / 2 ** rowsShift) {
    throw new ZbudError(
      "EINVAL",
      `maxBytes of ${maxBytes} are more than ${SLOTS_MAX / 2} pages of ${Math.min(...sizes)} bytes; lower it, or use several pools`,
    );
  }
  const chunkCount = 2 ** chunkOrder;
  const maxObjectBytes = Math.max(...ranges.map(({ maxSize }) => maxSize));
  return { chunkOrder, chunkCount, segmentBytes, segments, rowsShift, maxObjectBytes };
}
