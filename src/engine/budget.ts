import {
  EXPIRY_WORDS,
  F_FIXED_BYTES,
  F_LIMIT,
  F_ROWS_RESERVED,
  F_STORED_BYTES,
  ROW_BYTES,
  type ShardLayout,
  W_ENTRIES,
  W_FRAGMENTS,
  W_HIGH_WATER,
  W_ROWLESS,
  W_ROWLESS_MAX,
} from "./table.ts";

/** So many rows tell how long entries are. */
const ROWS_THAT_TELL = 256;
/** Entries may become so many times shorter, and find rows without memory being moved. */
const DRIFT = 1.5;
const ROWS_MIN = 8;

/** Bytes that one shard may take, and what its parts cost. */
export interface ShardBudget {
  /** The highest limit. */
  readonly bytes: number;
  /** What the table takes whatever it holds, and the pools' own metadata, which is that for the highest limit. */
  readonly fixedBytes: number;
  /** Of these, what the table takes. */
  readonly tableBytes: number;
  /** For each object of a pool, beside its pages. */
  readonly objectBytes: number;
  /** For each row, with its object, its expiry and what the secondary index keeps for it. */
  readonly rowBytes: number;
  /** Share of a pool page's bytes that its metadata takes on top. */
  readonly pageCost: number;
  /** Rows that are kept free of pages, so that there are rows for what the pages hold. */
  readonly rowsReserved: number;
  /** The most entries. */
  readonly maxEntries: number;
}

/**
 * The limit of a shard as it is now, which may be lower than that of its budget: its bytes, what is fixed of them, and
 * the rows that are kept free of pages. The pools' metadata for objects and the rows are taken to be as many as there
 * is room for objects.
 */
export function setLimit(budget: ShardBudget, floats: Float64Array, bytes: number): void {
  const share = bytes / budget.bytes;
  floats[F_LIMIT] = bytes;
  floats[F_FIXED_BYTES] = budget.tableBytes + Math.ceil((budget.fixedBytes - budget.tableBytes) * share);
  floats[F_ROWS_RESERVED] = Math.floor(budget.rowsReserved * share);
}

/**
 * Rows that pages leave room for. Before there are entries that could tell, as many as `averageBytes` says; then as many
 * as there would be if they were two thirds as long as those that are there, since pages that were touched do not become
 * rows, and what is stored changes.
 */
function rowsWanted(budget: ShardBudget, words: Int32Array, floats: Float64Array): number {
  const rows = words[W_ENTRIES] + words[W_FRAGMENTS];
  if (rows < ROWS_THAT_TELL) return floats[F_ROWS_RESERVED];
  const bytesEach = floats[F_STORED_BYTES] / rows / DRIFT + budget.rowBytes;
  const most = Math.ceil((floats[F_LIMIT] - floats[F_FIXED_BYTES]) / bytesEach);
  return Math.min(floats[F_ROWS_RESERVED], most);
}

/** Rows that may be used: what the pages leave. A page that was touched stays touched until it is given back. */
export function rowsAllowed(
  budget: ShardBudget,
  layout: ShardLayout,
  words: Int32Array,
  floats: Float64Array,
  maxPoolBytes: number,
): number {
  const pages = maxPoolBytes * (1 + budget.pageCost);
  const left = floats[F_LIMIT] - floats[F_FIXED_BYTES] - pages - words[W_ROWLESS_MAX] * budget.objectBytes;
  const rows = Math.max(ROWS_MIN, Math.floor(left / budget.rowBytes));
  return Math.min(rows, layout.maxRows) + 1;
}

/** Bytes of pool pages that may be used, beside the rows that were. */
export function poolBytesAllowed(budget: ShardBudget, words: Int32Array, floats: Float64Array): number {
  const rows = Math.max(rowsWanted(budget, words, floats), words[W_HIGH_WATER] - 1);
  const taken = floats[F_FIXED_BYTES] + rows * budget.rowBytes + words[W_ROWLESS_MAX] * budget.objectBytes;
  return Math.floor((floats[F_LIMIT] - taken) / (1 + budget.pageCost));
}

/** What a shard has touched, by the budget: what is fixed counts in full. */
export function bytesTouched(
  budget: ShardBudget,
  words: Int32Array,
  floats: Float64Array,
  maxPoolBytes: number,
): number {
  return (
    floats[F_FIXED_BYTES] +
    (words[W_HIGH_WATER] - 1) * budget.rowBytes +
    words[W_ROWLESS_MAX] * budget.objectBytes +
    Math.ceil(maxPoolBytes * (1 + budget.pageCost))
  );
}

/** What a shard's entries take now, by the budget. Pages and rows that were used before and are free do not count. */
export function bytesLive(
  budget: ShardBudget,
  words: Int32Array,
  floats: Float64Array,
  poolBytes: number,
): number {
  const rows = words[W_ENTRIES] + words[W_FRAGMENTS];
  const objects = words[W_ROWLESS] * budget.objectBytes;
  return (
    floats[F_FIXED_BYTES] + rows * budget.rowBytes + objects + Math.ceil(poolBytes * (1 + budget.pageCost))
  );
}

/** Words of a row beside {@link ROW_BYTES}. */
export function rowBytesOf(expiry: boolean, secondaryIndexWordsEach: number): number {
  return ROW_BYTES + (expiry ? 4 * EXPIRY_WORDS : 0) + 4 * secondaryIndexWordsEach;
}
