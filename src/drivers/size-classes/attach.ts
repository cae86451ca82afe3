import { ZbudError } from "../../base/index.ts";
import {
  checkEvictHandler,
  DRIVER_SIZE_CLASSES,
  type EvictHandler,
  openPool,
  type SharedPool,
  SLOTS_MAX,
  type Table,
  W_INTENT,
} from "../../pool/index.ts";
import { CHUNK_ORDER_MAX, CHUNK_ORDER_MIN } from "../zbud/geometry.ts";
import type { Geometry } from "./geometry.ts";
import { isRecordWhole } from "./open-classes.ts";
import { SizeClassPool } from "./size-class-pool.ts";
import {
  classesOf,
  OPEN_MAX,
  OPEN_WORDS,
  openClassesOf,
  tableWordsOf,
  W_CHUNK_ORDER,
  W_OBJECT_BYTES_MAX,
  W_OPEN,
  W_ROWS_SHIFT,
  W_SEGMENT_BYTES,
  W_SEGMENT_HIGH,
  W_SEGMENTS,
  W_WHICH,
} from "./table.ts";

/**
 * Opens a pool that another thread made.
 *
 * @param sent - what its `share()` gave there, as it came through `postMessage` or `workerData`.
 * @param options - `onEvict`: called for what this thread reclaims.
 * @throws {ZbudError} `EINVAL` if `sent` is no such thing; `EBADMSG` if its buffers hold no pool of this
 *   layout; `EBUSY` if 127 threads use the pool already.
 */
export function attachSizeClass(
  sent: SharedPool,
  options: { onEvict?: EvictHandler | undefined } = {},
): SizeClassPool {
  const { onEvict, ...opened } = openPool(sent, options, {
    driver: DRIVER_SIZE_CLASSES,
    geometryOf,
    tableWordsOf,
    pagesOf: ({ segmentBytes, segments }) => ({ bytes: segmentBytes, count: segments }),
    faultOf,
  });
  // What the options would say is in the table.
  const attached = { ...opened, onEvict: checkEvictHandler(onEvict) };
  return new SizeClassPool({ maxBytes: 0, pageSizes: [] }, { attached });
}

function geometryOf(table: Table): Geometry {
  const chunkOrder = table[W_CHUNK_ORDER];
  const segmentBytes = table[W_SEGMENT_BYTES];
  const segments = table[W_SEGMENTS];
  const rowsShift = table[W_ROWS_SHIFT];
  const maxObjectBytes = table[W_OBJECT_BYTES_MAX];
  const isPossible =
    chunkOrder >= CHUNK_ORDER_MIN &&
    chunkOrder <= CHUNK_ORDER_MAX &&
    segmentBytes > 0 &&
    segments > 0 &&
    rowsShift >= 0 &&
    segments * 2 ** (rowsShift + 1) <= SLOTS_MAX &&
    maxObjectBytes > 0 &&
    maxObjectBytes < segmentBytes;
  if (!isPossible) {
    const words = { chunkOrder, segmentBytes, segments, rowsShift, maxObjectBytes };
    throw new ZbudError("EBADMSG", `no size classes have ${JSON.stringify(words)}`);
  }
  return { chunkOrder, chunkCount: 2 ** chunkOrder, segmentBytes, segments, rowsShift, maxObjectBytes };
}

function faultOf(table: Table, geometry: Geometry): string | null {
  const { segments, rowsShift } = geometry;
  const note = table[W_INTENT]; // once: others may be at work
  if (note > segments << (rowsShift + 1)) return `its note says ${note}`;
  if (table[W_SEGMENT_HIGH] < 0 || table[W_SEGMENT_HIGH] > segments)
    return "more segments in use than there are";
  const which = table[W_WHICH];
  const open = (which & ~1) === 0 ? table[W_OPEN + which * OPEN_WORDS] : 0;
  if (open < 1 || open > OPEN_MAX) return `it has ${open} page sizes`;
  const classes = classesOf(geometry);
  for (const { sizeClass } of openClassesOf(table)) {
    if (!classes.includes(sizeClass) || !isRecordWhole(table, geometry, sizeClass))
      return `it has no pages at word ${sizeClass}`;
  }
  return null;
}
