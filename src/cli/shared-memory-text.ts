import { bytesText, countText } from "../base/index.ts";
import { printable } from "./printable.ts";
import type { AtIt, SharedMemoryInfo } from "./shared-memory.ts";
import type { Style } from "./style.ts";
import { type Column, tableLines } from "./text-table.ts";

const COLUMNS: Column[] = [
  { title: "name", align: "left" },
  { title: "kind", align: "left" },
  { title: "bytes", align: "right" },
  { title: "limit", align: "right" },
  { title: "entries", align: "right" },
  { title: "processes", align: "right" },
  { title: "threads", align: "right" },
  { title: "age", align: "right" },
];
const NAME_MIN = 8;
/** Processes that are named one by one. */
const NAMED_MAX = 4;

/** The table of `zbud list`; names are shortened to what `columns` leave. */
export function listLines(
  infos: readonly SharedMemoryInfo[],
  now: number,
  columns: number,
  style: Style,
): string[] {
  const rows = infos.map((info) => cellsOf(info, now));
  const [{ length: others }] = tableLines(
    COLUMNS.slice(1),
    rows.map((cells) => cells.slice(1)),
  );
  const width = Math.max(NAME_MIN, columns - others - 2);
  const shortened = rows.map(([name, ...cells]) => [shortText(name, width), ...cells]);
  const [head, ...lines] = tableLines(COLUMNS, shortened);
  return [style.dim(head), ...lines];
}

function cellsOf(info: SharedMemoryInfo, now: number): string[] {
  const { name, kind, bytes, limitBytes, processes, createdAt } = info;
  return [
    printable(name),
    printable(kind ?? ""),
    bytesText(bytes),
    limitBytes === null ? "" : bytesText(limitBytes),
    entriesText(info),
    processes === null ? "?" : countText(processes.length),
    processes === null ? "?" : countText(threadsOf(processes)),
    createdAt === null ? "" : ageText(now - createdAt),
  ];
}

function entriesText({ state, entries, pages }: SharedMemoryInfo): string {
  if (state !== "good") return state;
  if (pages !== null) return pages === 1 ? "1 page" : `${shortCount(pages)} pages`;
  return entries === null ? "" : shortCount(entries);
}

/** `12,345`, `1.23 M`. */
function shortCount(count: number): string {
  return count < 999_500 ? countText(count) : `${(count / 1e6).toFixed(count < 9.995e6 ? 2 : 1)} M`;
}

function threadsOf(processes: readonly AtIt[]): number {
  return processes.reduce((sum, { threads }) => sum + threads, 0);
}

/** What kind of memory this is and who is at it, in a line. */
export function aboutText(info: SharedMemoryInfo, now: number): string {
  const { kind, bytes, limitBytes, createdAt, processes } = info;
  const of = limitBytes === null ? "" : ` of ${bytesText(limitBytes)}`;
  const age = createdAt === null ? "" : `, ${ageText(now - createdAt)} old`;
  return `${kind}, ${bytesText(bytes)}${of}, ${processesText(processes)}${age}`;
}

/** `used by 4711 (3 threads) and 4712`; of many how many there are. */
export function processesText(processes: readonly AtIt[] | null): string {
  if (processes === null) return "who uses it cannot be seen here";
  if (processes.length === 0) return "used by nobody";
  if (processes.length > NAMED_MAX) {
    return `used by ${countText(processes.length)} processes with ${countText(threadsOf(processes))} threads`;
  }
  const each = processes.map(({ pid, threads }) => {
    return `${pid === 0 ? "a process" : pid}${threads === 1 ? "" : ` (${threads} threads)`}`;
  });
  const last = each.pop();
  return `used by ${each.length === 0 ? last : `${each.join(", ")} and ${last}`}`;
}

/** `45 s`, `12 min`, `5 h`, `3 d`. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 100 * 60) return `${Math.floor(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** A text of at most so many characters. */
export function shortText(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
