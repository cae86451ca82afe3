import { checkNames } from "../../base/index.ts";
import { attachPageMemory, received } from "../../memory/index.ts";
import {
  badBuffers,
  checkEvictHandler,
  DRIVER_SIZE_CLASSES,
  type EvictHandler,
  openSharedTable,
  type SharedPool,
  SLOTS_MAX,
  type Table,
  tailWordsOf,
  W_INTENT,
  W_LOCKING,
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
 * @throws {ZbudError} `EINVAL` if `shared` is no such thing; `EBADMSG` if its buffers hold no pool of this
 *   layout; `EBUSY` if 127 threads use the pool already.
 */
export function attachSizeClass(
  sent: SharedPool,
  options: { onEvict?: EvictHandler | undefined } = {},
): SizeClassPool {
  const shared = received(sent);
  const { table, geometry } = openTable(shared);
  const memory = attachPageMemory(geometry.segmentBytes, shared.pages);
  checkNames("attach", options, ["onEvict"]);
  const onEvict = checkEvictHandler(options.onEvict);
  // What the options would say is in the table.
  return new SizeClassPool(
    { maxBytes: 0, pageSizes: [] },
    { attached: { table, geometry, memory, onEvict } },
  );
}

/**
 * Opens the table of a shared pool.
 *
 * @throws {ZbudError} `EINVAL` if `shared` is not what `share()` gives; `EBADMSG` if its buffers do not hold
 *   a pool of size classes of this layout.
 */
function openTable(shared: SharedPool): { table: Table; geometry: Geometry } {
  const table = openSharedTable(shared, DRIVER_SIZE_CLASSES);
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
  if (!isPossible) throw badBuffers("their geometry is impossible");
  const chunkCount = 2 ** chunkOrder;
  const geometry = { chunkOrder, chunkCount, segmentBytes, segments, rowsShift, maxObjectBytes };
  if (table.length !== tableWordsOf(geometry) + tailWordsOf(table[W_LOCKING], shared.pages.byteLength)) {
    throw badBuffers("the table's length is not its geometry's");
  }
  if (shared.pages.byteLength !== segmentBytes * segments) {
    throw badBuffers("the length of the pages is not their geometry's");
  }
  const slots = segments << (rowsShift + 1);
  if (table[W_INTENT] > slots) throw badBuffers(`its note says ${table[W_INTENT]}`);
  if (table[W_SEGMENT_HIGH] < 0 || table[W_SEGMENT_HIGH] > segments) {
    throw badBuffers("more segments in use than there are");
  }
  const which = table[W_WHICH];
  const open = (which & ~1) === 0 ? table[W_OPEN + which * OPEN_WORDS] : 0;
  if (open < 1 || open > OPEN_MAX) throw badBuffers(`it has ${open} page sizes`);
  const classes = classesOf(geometry);
  for (const { sizeClass } of openClassesOf(table)) {
    if (!classes.includes(sizeClass) || !isRecordWhole(table, geometry, sizeClass)) {
      throw badBuffers(`it has no pages at word ${sizeClass}`);
    }
  }
  return { table, geometry };
}
