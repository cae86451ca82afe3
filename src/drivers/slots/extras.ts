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
  let extra = firstExtraAt(whole, row);
  for (let i = 0; extra !== 0 && i < EXTRAS_PER_PAGE; i++) {
    const record = freeRecordOf(whole, extra | EXTRA_RECORDS, RECORDS_PER_EXTRA);
    if (record !== 0) return record;
    extra = whole.table[extra | NEXT];
  }
  return takeExtra(whole, row);
}

/** Takes an extra without objects away from its page. */
export function releaseExtraIfEmpty(whole: SlotsTable, row: number, extra: number): void {
  if (hasLive(whole, extra | EXTRA_RECORDS, RECORDS_PER_EXTRA)) return;
  const { table } = whole;
  const next = table[extra | NEXT];
  let before = firstExtraAt(whole, row);
  if (before === extra) {
    setFirstExtra(whole, row, next);
  } else {
    for (let i = 0; table[before | NEXT] !== extra && i < EXTRAS_PER_PAGE; i++) before = table[before | NEXT];
    table[before | NEXT] = next;
  }
  table[extra | OWNER] = 0;
  table[extra | NEXT] = table[W_EXTRA_FREE];
  table[W_EXTRA_FREE] = extra;
  table[W_EXTRA_COUNT]--;
}

/** Takes all extras without objects away from a page. */
export function releaseEmptyExtras(whole: SlotsTable, row: number): void {
  let extra = firstExtraAt(whole, row);
  for (let i = 0; extra !== 0 && i < EXTRAS_PER_PAGE; i++) {
    const next = whole.table[extra | NEXT];
    releaseExtraIfEmpty(whole, row, extra);
    extra = next;
  }
}

/** Gives a page one more extra. Its first record, or 0 if there is no extra left. */
function takeExtra(whole: SlotsTable, row: number): number {
  const { table, geometry, layout } = whole;
  let extra = table[W_EXTRA_FREE];
  if (extra !== 0) {
    table[W_EXTRA_FREE] = table[extra | NEXT];
  } else {
    const number = table[W_EXTRA_HIGH_WATER];
    if (number >= geometry.maxExtras) return 0;
    if (number >= whole.extras.end && !whole.extras.extend(number)) return 0;
    extra = firstExtraOf(geometry) + (number << ROW_SHIFT);
    table.fill(layout.firstGeneration, extra | EXTRA_RECORDS, (extra | EXTRA_RECORDS) + RECORDS_PER_EXTRA);
    table[W_EXTRA_HIGH_WATER] = number + 1;
  }
  table[W_EXTRA_COUNT]++;
  table[extra | OWNER] = row;
  table[extra | NEXT] = firstExtraAt(whole, row);
  setFirstExtra(whole, row, extra);
  return extra | EXTRA_RECORDS;
}

function setFirstExtra({ table }: SlotsTable, row: number, extra: number): void {
  const index = extra === 0 ? 0 : (extra - FIRST_ROW) >> ROW_SHIFT;
  table[row | EXTRAS] = (table[row | EXTRAS] & ~EXTRAS_MASK) | index;
}
