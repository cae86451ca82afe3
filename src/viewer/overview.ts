import { bytesText, countOf, countText, percentText, ratioText } from "../base/index.ts";
import type { Tick, User } from "./types.ts";

/** What somebody wants to know first, each in a line. */
export interface Overview {
  /** What is not as it should be, a short sentence each; none: it is well. */
  readonly faults: readonly string[];
  readonly full: string;
  /** How full, from 0 to 1; null: there is no limit that is known. */
  readonly share: number | null;
  readonly saves: string;
  /** What is done, by the second. */
  readonly now: string;
}

type Figures = Readonly<Record<string, number>>;

/** The figures of one look, how fast each changes, and what is said in words. */
interface Looked {
  readonly now: Figures;
  /** What came in the time between the looks; 0 if there was only one. */
  more(name: string): number;
  /** The same by the second. */
  rate(name: string): number;
  readonly hasRates: boolean;
  readonly texts: Readonly<Record<string, string>>;
}

/**
 * Whether all is well, how full it is, what it saves and what it does.
 *
 * @param before - an earlier look's, some seconds ago; null: there was none.
 * @returns null: these are not the figures of a cache, a page store or a pool.
 */
export function overviewOf(tick: Tick, before: Tick | null): Overview | null {
  const looked = compare(tick, before);
  const { counters } = tick;
  if (has(counters, "sets", "hits", "bytesReserved", "bytesUsed")) return ofCache(looked);
  if (has(counters, "storedPages", "memLimit", "memUsedTotal")) return ofStore(looked);
  if (has(counters, "objects", "pages", "pageBytes", "objectBytes")) return ofPool(looked);
  return null;
}

function compare({ at, counters, texts }: Tick, before: Tick | null): Looked {
  const seconds = before === null ? 0 : (at - before.at) / 1000;
  const more = (name: string): number =>
    before === null || !(name in before.counters) ? 0 : (counters[name] ?? 0) - before.counters[name];
  return {
    now: counters,
    more,
    rate: (name) => (seconds > 0 ? more(name) / seconds : 0),
    hasRates: seconds > 0,
    texts,
  };
}

function has(counters: Figures, ...names: string[]): boolean {
  return names.every((name) => typeof counters[name] === "number");
}

function ofCache(looked: Looked): Overview {
  const { now, texts } = looked;
  const { entries, bytesUsed, bytesReserved, originalBytes, storedBytes } = now;
  const saved = now["dictionary.savedBytes"] ?? 0;
  const dictionary =
    texts["dictionary.state"] === "in-use" && saved > 0 ? `; the dictionary saved ${bytesText(saved)}` : "";
  return {
    faults: [...cacheFaults(looked), ...commonFaults(looked)],
    full: `${bytesText(bytesUsed)} of ${bytesText(bytesReserved)}, ${countOf(entries ?? 0, "entry", "entries")}`,
    share: shareOf(bytesUsed, bytesReserved),
    saves: `${savingText(originalBytes ?? 0, storedBytes ?? 0)}${dictionary}`,
    now: nowText(looked, hitRateText(looked), [
      ["hits", "hit", "hits"],
      ["misses", "miss", "misses"],
      ["sets", "set", "sets"],
      ["evictions", "eviction", "evictions"],
    ]),
  };
}

function cacheFaults({ more, now, texts }: Looked): string[] {
  const faults: string[] = [];
  const say = (count: number, text: (count: string) => string): void => {
    if (count > 0) faults.push(text(countText(count)));
  };
  say(more("rejectNoMemory"), (count) => `${count} refused: no memory for them`);
  say(more("rejectTooBig"), (count) => `${count} refused: too large`);
  say(more("loadsFailed"), (count) => `${count} of ${countOf(more("loads"), "load", "loads")} failed`);
  say(more("flushesFailed"), (count) => `${count} flushes of the second tier failed`);
  say(more("backingReadsFailed"), (count) => `${count} reads of the second tier failed`);
  say(more("backingWritesFailed"), (count) => `${count} evicted, and the second tier did not take them`);
  const error = (name: string): string => (texts[name] === undefined ? "" : `: ${texts[name]}`);
  if (texts["dictionary.state"] === "failed")
    faults.push(`no dictionary could be learned${error("dictionary.error")}`);
  else if (texts["dictionary.error"] !== undefined) faults.push(`dictionary${error("dictionary.error")}`);
  if ((now["dictionary.savedBytes"] ?? 0) < 0) faults.push("the dictionary does not fit the values any more");
  if (texts["improvement.state"] === "failed")
    faults.push(`nothing is compressed anew${error("improvement.error")}`);
  return faults;
}

function ofStore(looked: Looked): Overview {
  const { now, more } = looked;
  const { storedPages, memUsedTotal, memLimit, origDataSize } = now;
  const faults = [
    ["writebacksFailed", "writebacks failed"],
    ["decompressFail", "pages could not be decompressed"],
    ["rejectAllocFail", "stores refused: no memory for them"],
    ["rejectReclaimFail", "stores refused: no room could be made"],
  ].flatMap(([name, text]) => (more(name) > 0 ? [`${countText(more(name))} ${text}`] : []));
  return {
    faults: [...faults, ...commonFaults(looked)],
    full: `${bytesText(memUsedTotal)} of ${bytesText(memLimit)}, ${countOf(storedPages, "page", "pages")}`,
    share: shareOf(memUsedTotal, memLimit),
    saves: savingText(origDataSize ?? 0, memUsedTotal),
    now: nowText(looked, "", [
      ["loads", "load", "loads"],
      ["stores", "store", "stores"],
      ["evictions", "eviction", "evictions"],
      ["writtenBackPages", "written back", "written back"],
    ]),
  };
}

const REFUSALS: Readonly<Record<string, string>> = {
  ENOMEM: "the pool is full",
  ENOSPC: "too large for a page",
};

function ofPool(looked: Looked): Overview {
  const { now, more } = looked;
  const { objects, objectBytes, pages, pageBytes } = now;
  const refused = Object.keys(now).filter((name) => name.startsWith("allocsRefused."));
  const faults = refused.flatMap((name) => {
    const count = more(name);
    const code = name.slice("allocsRefused.".length);
    return count > 0
      ? [`${countText(count)} refused: ${REFUSALS[code] ?? "for another reason"} (${code})`]
      : [];
  });
  if (more("evictionsRefused") > 0)
    faults.push(`${countOf(more("evictionsRefused"), "eviction", "evictions")} refused by the handler`);
  return {
    faults: [...faults, ...commonFaults(looked)],
    full: `${bytesText(objectBytes)} in ${bytesText(pageBytes)}, ${countOf(pages, "page", "pages")}`,
    share: shareOf(objectBytes, pageBytes),
    saves: `${countOf(objects, "object", "objects")}, ${pages === 0 ? "0" : (objects / pages).toFixed(2)} in a page`,
    now: nowText(looked, "", [
      ["pagesReclaimed", "page reclaimed", "pages reclaimed"],
      ["objectsEvicted", "object evicted", "objects evicted"],
    ]),
  };
}

function commonFaults({ texts }: Looked): string[] {
  const faults: string[] = [];
  if (texts.isBackingFull === "yes") faults.push("the second tier takes nothing now");
  for (let i = 0; texts[`fallbacks.${i}`] !== undefined; i++) faults.push(texts[`fallbacks.${i}`]);
  return faults;
}

function hitRateText({ now, more, hasRates }: Looked): string {
  const recent = more("hits") + more("misses");
  const share = recent > 0 ? more("hits") / recent : hitShare(now);
  if (share === null) return "no reads yet";
  // Of one look alone the counts behind it say so themselves.
  return hasRates && recent === 0
    ? `hit rate ${percentText(share)} so far`
    : `hit rate ${percentText(share)}`;
}

/** Of all reads since it was made; null: there were none. */
export function hitShare({ hits, misses }: Figures): number | null {
  return hits + misses > 0 ? hits / (hits + misses) : null;
}

/** `a second: 3,883 hits, 1 eviction`. Of one look alone what there was so far. */
function nowText(
  { now, rate, hasRates }: Looked,
  first: string,
  parts: readonly (readonly [name: string, one: string, many: string])[],
): string {
  const counted = parts
    .filter(([name]) => name in now)
    .map(([name, one, many]) => countOf(Math.max(0, hasRates ? rate(name) : now[name]), one, many));
  return `${first}${first === "" ? "" : "; "}${hasRates ? "a second" : "so far"}: ${counted.join(", ")}`;
}

function savingText(from: number, to: number): string {
  if (from === 0 || to === 0) return "nothing yet";
  return `${bytesText(from)} in ${bytesText(to)} (${ratioText(from / to)})`;
}

function shareOf(part: number, whole: number): number | null {
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : null;
}

/** `2 processes, 5 threads`. */
export function usersText(users: readonly User[]): string {
  const threads = users.reduce((sum, each) => sum + each.threads, 0);
  return `${countOf(users.length, "process", "processes")}, ${countOf(threads, "thread", "threads")}`;
}
