import { ZbudError } from "../../base/index.ts";
import type { PageMemory } from "../../memory/index.ts";
import { corrupt, type Place } from "../../pool/index.ts";
import { L_FULL, L_LISTS, L_OBJECTS, L_SHORT, LAYOUT_SHIFT } from "./geometry.ts";
import type { Groups } from "./groups.ts";
import { fillPlace } from "./places.ts";
import {
  ATTACHED,
  COUNT_MASK,
  FREE,
  FREE_ROW,
  HEADS,
  LAST_ROW,
  NEXT,
  PLACE,
  PREV,
  RING,
  SIZE,
  SPARED,
  USED,
  W_COMPACT_AT,
  W_FREE_ROW,
  W_GROUPS_TAKEN,
  W_TAKE_AT,
} from "./table.ts";

/** What a compaction did. */
export interface Compaction {
  /** Objects that were moved. */
  moved: number;
  /** Pages that were released. */
  pages: number;
}

const emptyPlace = (): Place => ({ page: 0, pageByte: 0, offset: 0, size: 0, offset2: 0, size2: 0 });

/**
 * Moves objects, so that groups become empty or give back rows. The bytes are copied to a free place first; then
 * the word of the object's row that says its place changes, and with that one store it has moved: a thread that
 * dies before or after leaves it whole in one of the two. All else that a move changes is derived (repair.ts).
 */
export class Mover {
  readonly #groups: Groups;
  readonly #memory: PageMemory;
  #bytes: Uint8Array = new Uint8Array(0);
  readonly #from: Place = emptyPlace();
  readonly #to: Place = emptyPlace();

  constructor(groups: Groups, memory: PageMemory) {
    this.#groups = groups;
    this.#memory = memory;
  }

  /**
   * Empties the emptiest groups of each layout into its fullest ones, as long as that releases groups: at most
   * `maxMoves` moves. The next call goes on where this one ended.
   */
  compact(maxMoves: number): Compaction {
    const { table, geometry } = this.#groups;
    const done: Compaction = { moved: 0, pages: 0 };
    this.#openBytes();
    const layouts = geometry.layoutCount - 1;
    for (let i = 0; i < layouts; i++) {
      const layout = (table[W_COMPACT_AT] % layouts) + 1;
      // Each round empties a group, or ends for want of a row with another that has one to move to.
      let rounds = table[W_GROUPS_TAKEN] + 2 * maxMoves;
      while (done.moved < maxMoves && rounds-- > 0 && this.#emptyOne(layout, maxMoves, done));
      if (done.moved >= maxMoves) return done;
      table[W_COMPACT_AT] = layout;
    }
    return done;
  }

  /**
   * Moves the objects of some group to its front, so that the rows of its free places can be used by others:
   * where there are no rows left. False: no group has one to give.
   */
  giveRows(): boolean {
    const { table, geometry } = this.#groups;
    const groups = table[W_GROUPS_TAKEN];
    for (let i = 0; i < groups; i++) {
      const at = table[W_TAKE_AT] % groups;
      const group = geometry.firstGroup + at * 8;
      table[W_TAKE_AT] = at + 1;
      if (table[group | PREV] <= FREE || table[group | FREE_ROW] === 0) continue;
      this.#openBytes();
      this.#condense(group);
      return true;
    }
    return false;
  }

  /** Moves objects out of the emptiest group of a layout, if the others have room for them all. */
  #emptyOne(layout: number, maxMoves: number, done: Compaction): boolean {
    const groups = this.#groups;
    const { table } = groups;
    const source = this.#emptiest(layout);
    if (source === 0 || !this.#hasRoom(layout, source)) return false;
    let before = table[source | LAST_ROW];
    const attached = table[source | ATTACHED] & COUNT_MASK;
    for (let i = 0; i < attached && done.moved < maxMoves; i++) {
      const row = table[before | RING];
      if (table[row | SIZE] <= 0) {
        before = row;
        continue;
      }
      const target = this.#target(layout, source);
      const free = target === 0 ? 0 : table[target | FREE_ROW] || groups.attach(target);
      // No row for the place. One that the source has to give, after its first move, can be had; then once more.
      if (free === 0) return this.giveRows();
      this.#move(row, before, source, free, target);
      done.moved++;
      if ((table[source | USED] & COUNT_MASK) === 0) {
        groups.takeOff(source);
        done.pages += groups.release(source);
        return true;
      }
      before = free; // has the row's place in the ring now
    }
    return true;
  }

  /** The group to empty: the one that has been on the lowest list of partly filled groups for longest. */
  #emptiest(layout: number): number {
    const { table, geometry } = this.#groups;
    const at = layout << LAYOUT_SHIFT;
    const lists = geometry.layouts[at | L_LISTS];
    const full = geometry.layouts[at | L_FULL];
    // Full groups of one page each, where larger ones have room for what is in them.
    const lists1 = this.#longLayoutOf(layout) === 0 ? ~(-1 << full) : -1;
    const open = table[lists] & lists1;
    const bits = (open & ~(1 << SPARED)) === 0 ? open : open & ~(1 << SPARED);
    if (bits === 0) return 0;
    const list = 31 - Math.clz32(bits & -bits);
    return table[(lists + HEADS + (list << 1)) | PREV];
  }

  /** Whether the groups that objects of `source` would move to have places for all of them. */
  #hasRoom(layout: number, source: number): boolean {
    let wanted = this.#groups.table[source | USED] & COUNT_MASK;
    for (const each of [this.#longLayoutOf(layout), layout]) {
      if (each !== 0) wanted -= this.#roomIn(each, source, wanted);
      if (wanted <= 0) return true;
    }
    return false;
  }

  /** Free places in the groups of a layout but one, fullest lists first, counted up to `enough`. */
  #roomIn(layout: number, except: number, enough: number): number {
    const { table, geometry } = this.#groups;
    const at = layout << LAYOUT_SHIFT;
    const objects = geometry.layouts[at | L_OBJECTS];
    const lists = geometry.layouts[at | L_LISTS];
    let room = 0;
    let left = this.#groups.table[W_GROUPS_TAKEN];
    for (let list = geometry.layouts[at | L_FULL] - 1; list >= 0 && room < enough; list--) {
      const head = lists + HEADS + (list << 1);
      for (let group = table[head | NEXT]; group !== head && room < enough; group = table[group | NEXT]) {
        if (left-- === 0) throw corrupt("a list of groups has no end");
        if (group !== except) room += objects - (table[group | USED] & COUNT_MASK);
      }
    }
    return room;
  }

  /** The fullest group with room but the source, one of the long layout if there is. */
  #target(layout: number, source: number): number {
    for (const each of [this.#longLayoutOf(layout), layout]) {
      const found = each === 0 ? 0 : this.#fullestBut(each, source);
      if (found !== 0) return found;
    }
    return 0;
  }

  #fullestBut(layout: number, except: number): number {
    const { table, geometry } = this.#groups;
    const at = layout << LAYOUT_SHIFT;
    const lists = geometry.layouts[at | L_LISTS];
    for (let list = geometry.layouts[at | L_FULL] - 1; list >= 0; list--) {
      const head = lists + HEADS + (list << 1);
      const group = table[head | NEXT] === except ? table[except | NEXT] : table[head | NEXT];
      if (group !== head) return group;
    }
    return 0;
  }

  /** The layout of several pages that a short layout stands in for; 0 for any other. */
  #longLayoutOf(layout: number): number {
    const { classes, layouts } = this.#groups.geometry;
    if (layout <= classes.length) return 0;
    let long = 1;
    while (layouts[(long << LAYOUT_SHIFT) | L_SHORT] !== layout) long++;
    return long;
  }

  /** Moves the object of `row` to the place of `free`, a free row of the target; both rows change sides. */
  #move(row: number, before: number, source: number, free: number, target: number): void {
    const groups = this.#groups;
    const { table } = groups;
    this.#copy(row, free);
    const from = table[row | PLACE];
    table[target | FREE_ROW] = 0 - table[free | SIZE];
    table[row | PLACE] = table[free | PLACE];
    table[free | PLACE] = from;
    table[free | SIZE] = 0 - table[source | FREE_ROW];
    table[source | FREE_ROW] = free;

    let beforeFree = table[target | LAST_ROW];
    let left = table[target | ATTACHED] & COUNT_MASK;
    while (table[beforeFree | RING] !== free && left-- > 0) beforeFree = table[beforeFree | RING];
    const next = table[row | RING];
    const nextFree = table[free | RING];
    table[free | RING] = next === row ? free : next;
    table[row | RING] = nextFree === free ? row : nextFree;
    if (before !== row) table[before | RING] = free;
    if (beforeFree !== free) table[beforeFree | RING] = row;
    if (table[source | LAST_ROW] === row) table[source | LAST_ROW] = free;
    if (table[target | LAST_ROW] === free) table[target | LAST_ROW] = row;

    table[source | USED]--;
    table[target | USED]++;
    if ((table[source | USED] & COUNT_MASK) !== 0) groups.relist(source);
    groups.relist(target);
  }

  /** Moves the objects of a group to its first places, and frees the rows behind them. */
  #condense(group: number): void {
    const { table } = this.#groups;
    const attached = table[group | ATTACHED] & COUNT_MASK;
    const rows = new Int32Array(attached);
    let row = table[group | LAST_ROW];
    for (let i = 0; i < attached; i++) {
      row = table[row | RING];
      rows[i] = row;
    }
    let gap = 0;
    let last = attached - 1;
    for (;;) {
      while (gap < attached && table[rows[gap] | SIZE] > 0) gap++;
      while (last >= 0 && table[rows[last] | SIZE] <= 0) last--;
      if (gap > last) break;
      const free = rows[gap];
      const moving = rows[last];
      this.#copy(moving, free);
      const from = table[moving | PLACE];
      table[moving | PLACE] = table[free | PLACE];
      table[free | PLACE] = from;
      rows[gap] = moving;
      rows[last] = free;
    }
    for (let i = 0; i < attached; i++) {
      if (i < gap) {
        table[rows[i] | RING] = rows[(i + 1) % gap];
      } else {
        table[rows[i] | RING] = table[W_FREE_ROW];
        table[W_FREE_ROW] = rows[i];
      }
    }
    table[group | LAST_ROW] = rows[gap - 1];
    table[group | FREE_ROW] = 0;
    table[group | ATTACHED] -= attached - gap;
  }

  /** Copies an object's bytes to the place of another row. */
  #copy(row: number, to: number): void {
    const groups = this.#groups;
    const size = groups.table[row | SIZE];
    const source = this.#from;
    const target = this.#to;
    fillPlace(groups.table, groups.geometry, groups.table[row | PLACE], size, source);
    fillPlace(groups.table, groups.geometry, groups.table[to | PLACE], size, target);
    for (let done = 0; done < size; ) {
      const inFirst = done < source.size;
      const toFirst = done < target.size;
      const at = inFirst ? source.offset + done : source.offset2 + done - source.size;
      const left = inFirst ? source.size - done : size - done;
      const end = Math.min(left, toFirst ? target.size - done : size - done);
      const into = toFirst ? target.offset + done : target.offset2 + done - target.size;
      this.#bytes.copyWithin(into, at, at + end);
      done += end;
    }
  }

  /** A view of the pages, of the length that they have now. */
  #openBytes(): void {
    try {
      const { buffer } = this.#memory;
      this.#bytes = new Uint8Array(buffer, 0, buffer.byteLength);
    } catch (cause) {
      throw new ZbudError("EINVAL", "the pool's buffer was transferred through a view's .buffer", { cause });
    }
  }
}
