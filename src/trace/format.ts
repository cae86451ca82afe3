import { show, ZbudError } from "../base/index.ts";
import type { PageSizeRange } from "../pool/index.ts";

/** The first line of a trace: what pool its operations were done on. */
export interface TraceHeader {
  trace: "zbud/1";
  /** Through which interface it was recorded, where the recorder said so: that of the allocator, or zpool's. */
  interface?: "zbud" | "zpool";
  /** The pool's driver; absent for zbud. */
  driver?: string;
  /** Bytes. */
  pageSize: number;
  /** Absent if it is 6, zbud's default, or if the driver has no chunks. */
  chunkOrder?: number;
  maxPages: number;
  /** Of a pool with pages of several sizes, instead of pageSize and maxPages: the sizes and their ranges, … */
  pageSizes?: readonly PageSizeRange[];
  /** … and the most bytes of pages in use. */
  maxBytes?: number;
  /** Of a pool with groups of pages: the most pages a group, if not 4. */
  maxGroupPages?: number;
  /** Of a pool that bounds the number of objects: the most. */
  maxObjects?: number;
  /** Of a pool that cleans pages: percent of them that it leaves free, if it was said. */
  slack?: number;
  /** Whether the pool had an evict handler. */
  evict: boolean;
}

/** An alloc that gave an object. `id` names it for later lines. */
export interface AllocLine {
  op: "alloc";
  size: number;
  id: number;
  /** Serial number: counts pages as they are taken, so one that was released and taken again has a new one. */
  page: number;
  /** Bytes from the start of the page. */
  offset: number;
  /** The pool's page count afterwards, as in all lines. */
  pages: number;
}

/** An alloc that gave none. */
export interface RefusedAllocLine {
  op: "alloc";
  size: number;
  error: "EINVAL" | "ENOSPC" | "ENOMEM";
  pages: number;
}

export interface FreeLine {
  op: "free";
  id: number;
  pages: number;
}

/** One call of the evict handler: what it did itself, in order, and what it returned. */
export interface Eviction {
  id: number;
  do: TraceLine[];
  /** 0: evicted. Anything else: refused. `"throw"`: it threw. */
  returns: number | "throw";
}

export interface ReclaimLine {
  op: "reclaim";
  retries: number;
  evictions: Eviction[];
  /** `"throw"`: what the handler threw came through. */
  result: "ok" | "EAGAIN" | "EINVAL" | "throw";
  pages: number;
}

export interface ShrinkLine {
  op: "shrink";
  /** Pages asked for. */
  pages: number;
  evictions: Eviction[];
  result: "ok" | "EAGAIN" | "EINVAL" | "throw";
  /** Pages released. */
  reclaimed: number;
  /** The pool's page count afterwards. */
  poolPages: number;
  /** The same in bytes. */
  totalSize: number;
}

/** A compaction. */
export interface CompactLine {
  op: "compact";
  /** The most moves that were asked for; absent: as many as it takes. */
  moves?: number;
  moved: number;
  /** Pages released. */
  released: number;
  pages: number;
}

/** One operation with the result that it gave. */
export type TraceLine = AllocLine | RefusedAllocLine | FreeLine | ReclaimLine | ShrinkLine | CompactLine;

/** A recorded sequence of operations: line `i` of the file is `operations[i - 2]`, counting lines from 1. */
export interface Trace {
  header: TraceHeader;
  operations: TraceLine[];
}

type Fields = Record<string, unknown>;

/**
 * Reads a trace: JSON Lines, a header and then one operation a line.
 *
 * @throws {ZbudError} `EBADMSG` naming the first line that is not one, and why; `EINVAL` if it is no text.
 */
export function parseTrace(text: string): Trace {
  const steps = parseSteps(text);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Lines between two turns of {@link parseSteps}. */
const STEP_LINES = 1000;

/** {@link parseTrace} in turns: every so often it yields the number of lines read, and at the end the trace. */
export function* parseSteps(text: string): Generator<number, Trace> {
  if (typeof text !== "string") {
    throw new ZbudError("EINVAL", `a trace is text, not ${show(text)}; decode the bytes of its file first`);
  }
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const header = parseLine(lines[0] ?? "", 1);
  checkHeader(header);
  const operations: TraceLine[] = [];
  for (let i = 1; i < lines.length; i++) {
    const fields = parseLine(lines[i], i + 1);
    checkOperation(fields, i + 1);
    operations.push(fields as unknown as TraceLine);
    if (i % STEP_LINES === 0) yield i;
  }
  return { header: header as unknown as TraceHeader, operations };
}

function parseLine(line: string, number: number): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new ZbudError("EBADMSG", `line ${number} is not JSON: ${show(line)}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ZbudError("EBADMSG", `line ${number} is not an object: ${show(line)}`);
  }
  return value as Fields;
}

function checkHeader(header: Fields): void {
  const bad = (what: string): ZbudError =>
    new ZbudError("EBADMSG", `line 1 is not the header of a trace: ${what}`);
  if (header.trace !== "zbud/1") throw bad(`"trace" must be "zbud/1", not ${show(header.trace)}`);
  if (header.interface !== undefined && header.interface !== "zbud" && header.interface !== "zpool") {
    throw bad(`"interface" must be "zbud" or "zpool", not ${show(header.interface)}`);
  }
  if (!isCount(header.pageSize) || !isCount(header.maxPages)) {
    throw bad(
      `"pageSize" and "maxPages" must be numbers, not ${show(header.pageSize)} and ${show(header.maxPages)}`,
    );
  }
  if (header.chunkOrder !== undefined && !isCount(header.chunkOrder)) {
    throw bad(`"chunkOrder" must be a number, not ${show(header.chunkOrder)}`);
  }
  for (const name of ["maxGroupPages", "maxObjects", "slack"]) {
    if (header[name] !== undefined && !isCount(header[name])) {
      throw bad(`${show(name)} must be a number, not ${show(header[name])}`);
    }
  }
  const { pageSizes, maxBytes } = header;
  if (
    (pageSizes !== undefined || maxBytes !== undefined) &&
    !(Array.isArray(pageSizes) && isCount(maxBytes))
  ) {
    throw bad(`"pageSizes" and "maxBytes" go together, not ${show(pageSizes)} and ${show(maxBytes)}`);
  }
  if (header.driver !== undefined && (typeof header.driver !== "string" || header.driver === "")) {
    throw bad(`"driver" must be a name, not ${show(header.driver)}`);
  }
  if (typeof header.evict !== "boolean")
    throw bad(`"evict" must be true or false, not ${show(header.evict)}`);
}

const RESULTS = ["ok", "EAGAIN", "EINVAL", "throw"];
/** How deep handlers may reclaim inside handlers: a bound for the replay's stack. */
export const DEPTH_MAX = 100;
const REFUSALS = ["EINVAL", "ENOSPC", "ENOMEM"];

/** Fields that must be whole numbers from 0 on, for each operation. A refused alloc has fewer. */
const COUNTS: Record<string, readonly string[]> = {
  alloc: ["id", "page", "offset", "pages"],
  free: ["id", "pages"],
  reclaim: ["retries", "pages"],
  shrink: ["pages", "reclaimed", "poolPages", "totalSize"],
  compact: ["moved", "released", "pages"],
};

function checkOperation(fields: Fields, line: number, depth = 0): void {
  const bad = (what: string): ZbudError => new ZbudError("EBADMSG", `line ${line}: ${what}`);
  if (depth > DEPTH_MAX) throw bad(`handlers are nested more than ${DEPTH_MAX} deep`);
  const op = fields.op;
  if (typeof op !== "string" || !Object.hasOwn(COUNTS, op)) {
    throw bad(`"op" must be one of ${Object.keys(COUNTS).join(", ")}, not ${show(op)}`);
  }
  const refused = op === "alloc" && fields.error !== undefined;
  if (refused && !REFUSALS.includes(fields.error as string)) {
    throw bad(`"error" must be one of ${REFUSALS.join(", ")}, not ${show(fields.error)}`);
  }
  for (const name of refused ? ["pages"] : COUNTS[op]) {
    if (!isCount(fields[name])) throw bad(`${op} needs a number in ${show(name)}, not ${show(fields[name])}`);
  }
  if (op === "alloc" && typeof fields.size !== "number") {
    throw bad(`alloc needs a number in "size", not ${show(fields.size)}`);
  }
  if (op === "compact" && fields.moves !== undefined && !(isCount(fields.moves) && fields.moves !== 0)) {
    throw bad(`compact takes a number from 1 in "moves", not ${show(fields.moves)}`);
  }
  if (op !== "reclaim" && op !== "shrink") return;
  if (!RESULTS.includes(fields.result as string)) {
    throw bad(`"result" must be one of ${RESULTS.join(", ")}, not ${show(fields.result)}`);
  }
  if (!Array.isArray(fields.evictions)) throw bad(`${op} needs a list in "evictions"`);
  for (const eviction of fields.evictions) {
    if (!isCount(eviction?.id) || !Array.isArray(eviction.do)) {
      throw bad('an eviction needs a number in "id" and a list in "do"');
    }
    if (typeof eviction.returns !== "number" && eviction.returns !== "throw") {
      throw bad(`an eviction needs a number in "returns", not ${show(eviction.returns)}`);
    }
    for (const inner of eviction.do) checkOperation(inner ?? {}, line, depth + 1);
  }
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
