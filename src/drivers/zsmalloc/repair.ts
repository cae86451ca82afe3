import { askedOnce, W_INTENT, W_PAGE_COUNT } from "../../pool/index.ts";
import {
  type Geometry,
  GROUP_SHIFT,
  L_LISTS,
  L_OBJECTS,
  L_PAGES,
  LAYOUT_SHIFT,
  listOf,
  ROW_SHIFT,
} from "./geometry.ts";
import {
  ATTACHED,
  COUNT_BITS,
  COUNT_MASK,
  clearLists,
  FIRST_PAGE,
  FREE,
  FREE_ROW,
  GENERATION,
  HEADS,
  LAST_ROW,
  NEXT,
  PLACE,
  PREV,
  RING,
  SIZE,
  SPARED,
  STAMP,
  USED,
  W_CLOCK,
  W_FREE_GROUP,
  W_FREE_PAGE,
  W_FREE_ROW,
  W_GROUPS_TAKEN,
  W_INTENT_GENERATION,
  W_PAGES_TAKEN,
  W_ROWS_TAKEN,
  type ZsmallocTable,
} from "./table.ts";

/** The place of a row that was taken from its group while somebody may be walking its ring. */
const NOWHERE = -1;

/**
 * Makes a table whole after a thread died at any instruction, from what is never half written: each object's
 * size, place and generation; of each group that has an object its layout and its chain of pages; the marks of
 * groups under reclaim; the three marks of what was ever taken; and the note of the one object that was about to
 * come or go.
 *
 * - The operation in flight is undone if it was an alloc, whose handle never got out, and completed if it was a
 *   free: the row is free afterwards, under a new generation. A move was done or not by one store.
 * - Groups that a dead thread had under reclaim are listed again; those without objects are released.
 * - Rings, lists, counts and all that is free are built anew. Groups come to their lists in the order of their
 *   stamps, so only those that the dead thread was at can change their order.
 *
 * It may be cut off at any instruction and run again from the start: it overwrites only what is derived, but for
 * the note's object, for which twice is as once.
 *
 * @param generationMask - of the pool's handles.
 * @param isGone - whether the thread of a member is gone.
 */
export function repairTable(
  table: ZsmallocTable,
  geometry: Geometry,
  generationMask: number,
  isGone: (member: number) => boolean,
): void {
  finishIntent(table, geometry, generationMask);
  const { firstGroup, layouts } = geometry;
  const groupCount = table[W_GROUPS_TAKEN];
  const groupAt = (i: number): number => firstGroup + (i << GROUP_SHIFT);
  const objects = surveyObjects(table, geometry);

  const isDead = askedOnce(isGone);
  const isUnderReclaim = (group: number): boolean => {
    const member = -table[group | PREV];
    return member > 0 && !isDead(member);
  };
  const reclaimed = Array.from({ length: groupCount }, (_, i) => isUnderReclaim(groupAt(i)));
  const isInUse = (i: number): boolean => objects.used[i] > 0 || reclaimed[i];

  let pages = 0;
  const listed: number[] = [];
  const free: number[] = [];
  for (let i = 0; i < groupCount; i++) {
    if (isInUse(i)) pages += layouts[((table[groupAt(i) | USED] >> COUNT_BITS) << LAYOUT_SHIFT) | L_PAGES];
    if (!isInUse(i)) free.push(groupAt(i));
    else if (!reclaimed[i]) listed.push(groupAt(i));
  }
  rebuildRings(table, geometry, objects, isInUse);
  rebuildPages(table, geometry, isInUse);
  table[W_PAGE_COUNT] = pages;

  table[W_FREE_GROUP] = FREE;
  for (const group of free.reverse()) {
    table[group | PREV] = FREE;
    table[group | NEXT] = table[W_FREE_GROUP];
    table[W_FREE_GROUP] = group;
  }
  rebuildLists(table, geometry, listed);
  table[W_INTENT] = 0;
}

function finishIntent(table: ZsmallocTable, geometry: Geometry, generationMask: number): void {
  const slot = table[W_INTENT] - 1;
  if (slot < 0) return;
  const row = geometry.firstRow + (slot << ROW_SHIFT);
  table[row | SIZE] = 0;
  table[row | GENERATION] = (table[W_INTENT_GENERATION] + 1) & generationMask;
}

/** What the rows of objects say. */
interface Objects {
  /** Live objects of each group. */
  used: Int32Array;
  /** 1 + the last place of each group that holds one. */
  reach: Int32Array;
}

function surveyObjects(table: ZsmallocTable, { firstRow, placeBits }: Geometry): Objects {
  const used = new Int32Array(table[W_GROUPS_TAKEN]);
  const reach = new Int32Array(table[W_GROUPS_TAKEN]);
  const end = firstRow + (table[W_ROWS_TAKEN] << ROW_SHIFT);
  for (let row = firstRow; row < end; row += 1 << ROW_SHIFT) {
    if (table[row | SIZE] <= 0) continue;
    const group = table[row | PLACE] >> placeBits;
    used[group]++;
    reach[group] = Math.max(reach[group], 1 + (table[row | PLACE] & ~(-1 << placeBits)));
  }
  return { used, reach };
}

/**
 * Gives each place up to the last that is taken its row: that of its object, or a free one. There are enough,
 * since each such place had one before, and a row has one place.
 */
function rebuildRings(
  table: ZsmallocTable,
  geometry: Geometry,
  { used, reach }: Objects,
  isInUse: (group: number) => boolean,
): void {
  const { firstGroup, firstRow, placeBits } = geometry;
  const begin = new Int32Array(used.length + 1);
  for (let i = 0; i < used.length; i++) begin[i + 1] = begin[i] + reach[i];
  const rowAt = new Int32Array(begin[used.length]);
  const end = firstRow + (table[W_ROWS_TAKEN] << ROW_SHIFT);
  for (let row = firstRow; row < end; row += 1 << ROW_SHIFT) {
    if (table[row | SIZE] <= 0) continue;
    const place = table[row | PLACE];
    rowAt[begin[place >> placeBits] + (place & ~(-1 << placeBits))] = row;
  }
  let spare = firstRow;
  const nextSpare = (): number => {
    while (spare < end && table[spare | SIZE] > 0) spare += 1 << ROW_SHIFT;
    spare += 1 << ROW_SHIFT;
    return spare - (1 << ROW_SHIFT);
  };
  for (let i = 0; i < used.length; i++) {
    if (!isInUse(i)) continue;
    const group = firstGroup + (i << GROUP_SHIFT);
    let free = 0;
    for (let place = reach[i] - 1; place >= 0; place--) {
      const at = begin[i] + place;
      if (rowAt[at] !== 0) continue;
      const row = nextSpare();
      table[row | PLACE] = (i << placeBits) | place;
      table[row | SIZE] = 0 - free;
      free = row;
      rowAt[at] = row;
    }
    for (let place = 0; place < reach[i]; place++) {
      table[rowAt[begin[i] + place] | RING] = rowAt[begin[i] + ((place + 1) % reach[i])];
    }
    table[group | FREE_ROW] = free;
    table[group | LAST_ROW] = reach[i] === 0 ? 0 : rowAt[begin[i] + reach[i] - 1];
    table[group | ATTACHED] = (table[group | ATTACHED] & ~COUNT_MASK) | reach[i];
    table[group | USED] = (table[group | USED] & ~COUNT_MASK) | used[i];
  }
  table[W_FREE_ROW] = 0;
  for (let row = nextSpare(); row < end; row = nextSpare()) {
    table[row | SIZE] = 0;
    table[row | PLACE] = NOWHERE;
    table[row | RING] = table[W_FREE_ROW];
    table[W_FREE_ROW] = row;
  }
}

/** Every page that no group in use has is free. */
function rebuildPages(table: ZsmallocTable, geometry: Geometry, isInUse: (group: number) => boolean): void {
  const { firstGroup, firstPage } = geometry;
  const taken = new Uint8Array(table[W_PAGES_TAKEN]);
  for (let i = 0; i < table[W_GROUPS_TAKEN]; i++) {
    if (!isInUse(i)) continue;
    let page = table[(firstGroup + (i << GROUP_SHIFT)) | FIRST_PAGE];
    // A chain ends; if not, the table was damaged from outside, and verify() says so.
    for (let left = taken.length; page > 0 && page <= taken.length && left > 0; left--) {
      taken[page - 1] = 1;
      page = table[firstPage + page - 1];
    }
  }
  table[W_FREE_PAGE] = 0;
  for (let page = taken.length; page > 0; page--) {
    if (taken[page - 1] === 1) continue;
    table[firstPage + page - 1] = ~table[W_FREE_PAGE];
    table[W_FREE_PAGE] = page;
  }
}

/** Lists groups in the order of their stamps; what a dead thread had under reclaim comes last, as just spared. */
function rebuildLists(table: ZsmallocTable, geometry: Geometry, groups: number[]): void {
  const { layouts } = geometry;
  const clock = table[W_CLOCK];
  const age = (group: number): number =>
    table[group | PREV] < FREE ? 0 : (clock - table[group | STAMP]) >>> 0;
  clearLists(table, geometry);
  for (const { group } of groups.map((group) => ({ group, age: age(group) })).sort((a, b) => b.age - a.age)) {
    const wasReclaimed = table[group | PREV] < FREE;
    const layout = table[group | USED] >> COUNT_BITS;
    const used = table[group | USED] & COUNT_MASK;
    const hasRoom = used < layouts[(layout << LAYOUT_SHIFT) | L_OBJECTS];
    const isSpared = hasRoom && (wasReclaimed || table[group | ATTACHED] >> COUNT_BITS === SPARED);
    const list = isSpared ? SPARED : listOf(geometry, layout, used);
    const lists = layouts[(layout << LAYOUT_SHIFT) | L_LISTS];
    const head = lists + HEADS + 2 * list;
    const next = table[head | NEXT];
    table[group | NEXT] = next;
    table[group | PREV] = head;
    table[next | PREV] = group;
    table[head | NEXT] = group;
    table[lists] |= 1 << list;
    table[group | ATTACHED] = (table[group | ATTACHED] & COUNT_MASK) | (list << COUNT_BITS);
    if (wasReclaimed) table[group | STAMP] = table[W_CLOCK]++;
  }
}
