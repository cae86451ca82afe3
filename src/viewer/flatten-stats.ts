/** What `stats()` of anything gives, sorted into numbers, lists of numbers and words, with names of one level. */
export interface FlatStats {
  counters: Record<string, number>;
  histograms: Record<string, readonly number[]>;
  texts: Record<string, string>;
}

/** Objects in objects, so deep; what lies deeper is left out. */
const DEPTH_MAX = 3;

/** Longer words are cut off. */
const TEXT_MAX = 500;

/** Sorts figures, and words as long as a line or two; all else is left out. */
export function flattenStats(stats: object): FlatStats {
  const flat: FlatStats = { counters: {}, histograms: {}, texts: {} };
  collect(stats, "", flat, 0);
  return flat;
}

function collect(value: object, prefix: string, flat: FlatStats, depth: number): void {
  for (const [key, member] of Object.entries(value)) {
    const name = prefix + key;
    if (typeof member === "number") {
      if (Number.isFinite(member)) flat.counters[name] = member;
    } else if (isNumbers(member)) {
      flat.histograms[name] = Array.from(member, finite);
    } else if (typeof member === "boolean") {
      flat.texts[name] = member ? "yes" : "no";
    } else if (typeof member === "string") {
      flat.texts[name] = member.slice(0, TEXT_MAX);
    } else if (typeof member === "object" && member !== null && depth < DEPTH_MAX) {
      collect(member, `${name}.`, flat, depth + 1);
    }
  }
}

/** JSON has no others. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

function isNumbers(value: unknown): value is ArrayLike<number> {
  if (ArrayBuffer.isView(value)) {
    return !(value instanceof DataView || value instanceof BigInt64Array || value instanceof BigUint64Array);
  }
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "number");
}
