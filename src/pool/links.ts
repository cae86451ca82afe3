import { show, ZbudError } from "../base/index.ts";

/** The error of whoever finds a table in disorder. */
export function corrupt(what: string, value?: number): ZbudError {
  return new ZbudError(
    "ECORRUPT",
    `the pool's metadata is wrong: ${what}${value === undefined ? "" : ` ${show(value)}`}`,
  );
}

/**
 * The rows that links lead through, from `first` to before `end`.
 *
 * @param most - how many there can be.
 * @throws {ZbudError} `ECORRUPT` if there are more: somebody wrote into the table, and the list has no end.
 */
export function followLinks(
  first: number,
  end: number,
  most: number,
  nextOf: (row: number) => number,
): number[] {
  const rows: number[] = [];
  for (let row = first; row !== end; row = nextOf(row)) {
    if (rows.length >= most) throw corrupt("a list has no end, or holds a page twice; pages", most);
    rows.push(row);
  }
  return rows;
}
