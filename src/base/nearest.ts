/** The name that was most likely meant; undefined if none is like it. */
export function nearestOf(name: string, names: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const other of names) {
    const distance = editDistance(name.toLowerCase(), other.toLowerCase());
    if (distance < least) [nearest, least] = [other, distance];
  }
  return nearest;
}

/** How many letters must be put in, left out or changed to make one text of another (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let k = 1; k <= to.length; k++) {
      const changed = row[k - 1] + (from[i - 1] === to[k - 1] ? 0 : 1);
      next.push(Math.min(changed, row[k] + 1, next[k - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
}
