/** Finds an order in which calls on one key that overlapped could have been made one after the other. */

/** One call, as its thread saw it: it happened between the stamps `called` and `returned`. */
export interface Call {
  thread: number;
  called: number;
  returned: number;
  key: number;
  op: "get" | "set" | "delete";
  /** What was set, or what a get gave; 0 is a miss. A delete has 1 if there was something. */
  value: number;
}

/**
 * Searches for a sequence of the calls on one key in which each happens between its call and its return, and
 * gives what a plain Map would (Wing and Gong 1993; states seen before are not tried again, after Lowe 2017).
 */
export function isLinearizable(calls: readonly Call[]): boolean {
  const sorted = calls.toSorted((a, b) => a.called - b.called);
  const seen = new Set<string>();
  const done = new Array<boolean>(sorted.length).fill(false);
  const search = (first: number, held: number): boolean => {
    let low = first;
    while (low < sorted.length && done[low]) low++;
    if (low === sorted.length) return true;
    let firstReturn = Number.POSITIVE_INFINITY;
    for (let i = low; i < sorted.length && sorted[i].called < firstReturn; i++) {
      if (!done[i]) firstReturn = Math.min(firstReturn, sorted[i].returned);
    }
    for (let i = low; i < sorted.length && sorted[i].called <= firstReturn; i++) {
      if (done[i]) continue;
      const next = after(sorted[i], held);
      if (next === null) continue;
      done[i] = true;
      const state = `${low} ${done
        .slice(low, done.lastIndexOf(true) + 1)
        .map(Number)
        .join("")} ${next}`;
      if (!seen.has(state)) {
        seen.add(state);
        if (search(low, next)) return true;
      }
      done[i] = false;
    }
    return false;
  };
  return search(0, 0);
}

/** What the key holds after a call, or null if the call gave what it could not. */
function after({ op, value }: Call, held: number): number | null {
  if (op === "set") return value;
  if (op === "get") return value === held ? held : null;
  return value === (held === 0 ? 0 : 1) ? 0 : null;
}
