import { EXTRAS_PER_PAGE, RECORDS_PER_EXTRA } from "./geometry.ts";
import {
  EXTRA_RECORDS,
  EXTRAS,
  EXTRAS_MASK,
  FIRST_ROW,
  firstExtraOf,
  NEXT,
  OWNER,
  ROW_SHIFT,
  W_EXTRA_COUNT,
  W_EXTRA_FREE,
  W_EXTRA_HIGH_WATER,
} from "./page-table.ts";
import { firstExtraAt, freeRecordOf, hasLive, type SlotsTable } from "./records.ts";

/** A record in the extras of a page that names no object: if need be, in one more. 0 if there is no extra left. */
export function freeExtraRecord(whole: SlotsTable, row: number): number {
  let unit = firstExtraAt(whole, row);
  for (let i = 0; unit !== 0 && i < EXTRAS_PER_PAGE; i++) {
    const record = freeRecordOf(whole, unit | EXTRA_RECORDS, RECORDS_PER_EXTRA);
    if (record !== 0) return record;
    unit = whole.table[unit | NEXT];
  }
  return takeExtra(whole, row);
}

/** Takes an extra without objects away from its page. */
export function releaseExtraIfEmpty(whole: SlotsTable, row: number, unit: number): void {
  if (hasLive(whole, unit | EXTRA_RECORDS, RECORDS_PER_EXTRA)) return;
  const { table } = whole;
  const next = table[unit | NEXT];
  let before = firstExtraAt(whole, row);
  if (before === unit) {
    setFirstExtra(whole, row, next);
  } else {
    for (let i = 0; table[before | NEXT] !== unit && i < EXTRAS_PER_PAGE; i++) before = table[before | NEXT];
    table[before | NEXT] = next;
  }
  table[unit | OWNER] = 0;
  table[unit | NEXT] = table[W_EXTRA_FREE];
  table[W_EXTRA_FREE] = unit;
  table[W_EXTRA_COUNT]--;
}

/** Takes all extras without objects away from a page. */
export function releaseEmptyExtras(whole: SlotsTable, row: number): void {
  let unit = firstExtraAt(whole, row);
  for (let i = 0; unit !== 0 && i < EXTRAS_PER_PAGE; i++) {
    const next = whole.table[unit | NEXT];
    releaseExtraIfEmpty(whole, row, unit);
    unit = next;
  }
}

/** Gives a page one more extra. Its first record, or 0 if there is no extra left. */
function takeExtra(whole: SlotsTable, row: number): number {
  const { table, geometry, layout } = whole;
  let unit = table[W_EXTRA_FREE];
  if (unit !== 0) {
    table[W_EXTRA_FREE] = table[unit | NEXT];
  } else {
    const extra = table[W_EXTRA_HIGH_WATER];
    if (extra >= geometry.maxExtras) return 0;
    unit = firstExtraOf(geometry) + (extra << ROW_SHIFT);
    table.fill(layout.firstGeneration, unit | EXTRA_RECORDS, (unit | EXTRA_RECORDS) + RECORDS_PER_EXTRA);
    table[W_EXTRA_HIGH_WATER] = extra + 1;
  }
  table[W_EXTRA_COUNT]++;
  table[unit | OWNER] = row;
  table[unit | NEXT] = firstExtraAt(whole, row);
  setFirstExtra(whole, row, unit);
  return unit | EXTRA_RECORDS;
}

function setFirstExtra({ table }: SlotsTable, row: number, unit: number): void {
  const index = unit === 0 ? 0 : (unit - FIRST_ROW) >> ROW_SHIFT;
  table[row | EXTRAS] = (table[row | EXTRAS] & ~EXTRAS_MASK) | index;
}
