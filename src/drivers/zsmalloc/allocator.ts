import type { Handle } from "../../base/index.ts";
import type { PageMemory } from "../../memory/index.ts";
import type {
  Allocator,
  FreeWalk,
  HandleLayout,
  ObjectVisitor,
  Place,
  PoolStats,
  Table,
} from "../../pool/index.ts";
import * as pool from "../../pool/index.ts";
import { type Compaction, Mover } from "./compaction.ts";
import type { Geometry } from "./geometry.ts";
import * as geometries from "./geometry.ts";
import { NO_LIST as GROUPS_NO_LIST, Groups } from "./groups.ts";
import { fillPlace } from "./places.ts";
import { repairTable } from "./repair.ts";
import { statsOf } from "./stats.ts";
import type { ZsmallocTable } from "./table.ts";
import * as tables from "./table.ts";

// Bound here, since the engine folds a module's own constants into the code and loads imported ones at each use.
const COUNTERS_END = pool.COUNTERS_END;
const TAG_BITS = pool.TAG_BITS;
const W_INTENT = pool.W_INTENT;
const W_PAGE_COUNT = pool.W_PAGE_COUNT;
const GROUP_SHIFT = geometries.GROUP_SHIFT;
const L_FULL = geometries.L_FULL;
const L_LISTS = geometries.L_LISTS;
const L_OBJECTS = geometries.L_OBJECTS;
const L_PAGES = geometries.L_PAGES;
const LAYOUT_SHIFT = geometries.LAYOUT_SHIFT;
const ROW_SHIFT = geometries.ROW_SHIFT;
const NO_LIST = GROUPS_NO_LIST;
const ATTACHED = tables.ATTACHED;
const COUNT_BITS = tables.COUNT_BITS;
const COUNT_MASK = tables.COUNT_MASK;
const F_OBJECTS_MOVED = tables.F_OBJECTS_MOVED;
const F_PAGES_COMPACTED = tables.F_PAGES_COMPACTED;
const FREE = tables.FREE;
const FREE_ROW = tables.FREE_ROW;
const GENERATION = tables.GENERATION;
const HEADS = tables.HEADS;
const LAST_ROW = tables.LAST_ROW;
const NEXT = tables.NEXT;
const PLACE = tables.PLACE;
const PREV = tables.PREV;
const RING = tables.RING;
const SIZE = tables.SIZE;
const SPARED = tables.SPARED;
const STAMP = tables.STAMP;
const USED = tables.USED;
const W_CLOCK = tables.W_CLOCK;
const W_GROUPS_TAKEN = tables.W_GROUPS_TAKEN;
const W_INTENT_GENERATION = tables.W_INTENT_GENERATION;
const W_ROWS_TAKEN = tables.W_ROWS_TAKEN;

/** Groups that {@link ZsmallocAllocator.looseBytes} looks at, at most. */
const LOOSE_SAMPLE = 1024;

/**
 * Size classes, on the table alone. A new object goes to the fullest group of its class that has room, else to a
 * new group. Reclaim takes the least full group: of groups equally full the one that has been so for longest.
 * A group whose reclaim was refused is *spared*, if it has room: tried again only after all others, until an
 * object comes to it or goes.
 *
 * Written for the processor: alloc and free take a fixed number of steps whatever the pool's size, apart from
 * making and releasing a group; and words of a row are addressed by `row | WORD`, which cannot overflow.
 */
export class ZsmallocAllocator implements Allocator {
  readonly moves = true;
  readonly maxObjectBytes: number;
  #table: Table;
  readonly #geometry: Geometry;
  readonly #counters: Float64Array;
  readonly #layoutOf: Uint16Array;
  readonly #layouts: Int32Array;
  readonly #partialOf: Float64Array;
  readonly #groups: Groups;
  readonly #mover: Mover;
  // An initial value and `| 0` tell the engine that a field is a small integer.
  #rowBound = 0;
  readonly #placeBits: number = 0;
  readonly #firstGroup: number = 0;
  readonly #firstRow: number = 0;
  readonly #tag: number = 0;
  readonly #slotMask: number = 0;
  readonly #generationStep: number = 0.5;
  readonly #generationShift: number = 0;
  readonly #maxGenerationSmall: number = 0;
  readonly #generationMask: number = 0;
  /** This thread's member in a shared pool; 0 in one that is not, where nothing need be noted. */
  readonly #member: number = 0;
  // Where objectAt was last, so that a walk over a group's positions does not begin anew at each.
  #walkGroup = 0;
  #walkPosition = 0;
  #walkRow = 0;

  constructor(table: Table, geometry: Geometry, layout: HandleLayout, memory: PageMemory, member: number) {
    this.#table = table;
    this.#geometry = geometry;
    this.maxObjectBytes = geometry.pageSize;
    this.#counters = new Float64Array(table.buffer, 0, COUNTERS_END);
    this.#layoutOf = geometry.layoutOf;
    this.#layouts = geometry.layouts;
    this.#partialOf = geometry.partialOf;
    this.#groups = new Groups(table, geometry, layout.firstGeneration, memory);
    this.#mover = new Mover(this.#groups, memory);
    this.#rowBound = geometry.maxObjects | 0;
    this.#placeBits = geometry.placeBits | 0;
    this.#firstGroup = geometry.firstGroup | 0;
    this.#firstRow = geometry.firstRow | 0;
    this.#tag = layout.tag | 0;
    this.#slotMask = layout.slotMask | 0;
    this.#generationStep = layout.generationStep;
    this.#generationShift = Math.log2(layout.generationStep) | 0;
    this.#maxGenerationSmall = (2 ** 31 / layout.generationStep - 1) | 0;
    this.#generationMask = layout.generationMask | 0;
    this.#member = member | 0;
  }

  alloc(size: number): Handle | null {
    const table = this.#table;
    const wanted = this.#layoutOf[(size + 15) >> 4];
    const at = wanted << LAYOUT_SHIFT;
    const lists = this.#layouts[at | L_LISTS];
    const open = table[lists] & ~(-1 << this.#layouts[at | L_FULL]);
    let group: number;
    if (open !== 0) {
      group = table[(lists + HEADS + ((31 - Math.clz32(open)) << 1)) | NEXT];
    } else {
      group = this.#groups.room(wanted);
      if (group === 0) return null;
    }
    let row = table[group | FREE_ROW];
    if (row !== 0) {
      table[group | FREE_ROW] = 0 - table[row | SIZE];
    } else {
      row = this.#attach(group);
      if (row === 0) return null;
    }
    if (this.#member !== 0) this.#intend(row);
    table[row | SIZE] = size;
    const used = table[group | USED] + 1;
    table[group | USED] = used;
    this.#relist(group, used);
    const handle = this.#handleAt(row);
    if (this.#member !== 0) table[W_INTENT] = 0;
    return handle;
  }

  free(handle: Handle): boolean {
    const table = this.#table;
    const row = this.find(handle);
    if (row === 0) return false;
    const group = this.#firstGroup + ((table[row | PLACE] >> this.#placeBits) << GROUP_SHIFT);
    if (this.#member !== 0) this.#intend(row);
    table[row | SIZE] = 0 - table[group | FREE_ROW];
    table[row | GENERATION] = (table[row | GENERATION] + 1) & this.#generationMask;
    table[group | FREE_ROW] = row;
    const used = table[group | USED] - 1;
    table[group | USED] = used;
    if (table[group | PREV] > FREE) {
      if ((used & COUNT_MASK) !== 0) {
        this.#relist(group, used);
      } else {
        this.#groups.takeOff(group);
        this.#groups.release(group);
      }
    } // else the reclaim settles the group
    if (this.#member !== 0) table[W_INTENT] = 0;
    return true;
  }

  /** The row of a live object. */
  find(handle: Handle): number {
    const slot = (handle >>> TAG_BITS) & this.#slotMask;
    if (slot >= this.#rowBound) return 0;
    const row = this.#firstRow + (slot << ROW_SHIFT);
    return this.#handleAt(row) === handle && this.#table[row | SIZE] > 0 ? row : 0;
  }

  place(row: number, into: Place): void {
    const size = this.#table[row | SIZE];
    if (size > 0) {
      fillPlace(this.#table, this.#geometry, this.#table[row | PLACE], size, into);
    } else {
      into.size = 0;
      into.size2 = 0;
    }
  }

  /** The least full group; of those equally full the one that has been on its list for longest; else a spared one. */
  startReclaim(): number {
    const table = this.#table;
    let group = this.#leastFull(~(1 << SPARED));
    if (group === 0) group = this.#leastFull(1 << SPARED);
    if (group === 0) return 0;
    this.#groups.takeOff(group);
    table[group | PREV] = -Math.max(this.#member, 1);
    return group;
  }

  positions(group: number): number {
    return this.#table[group | ATTACHED] & COUNT_MASK;
  }

  objectAt(group: number, position: number): Handle | null {
    const table = this.#table;
    if (position >= this.positions(group)) return null;
    const place = (((group - this.#firstGroup) >> GROUP_SHIFT) << this.#placeBits) | position;
    let at = this.#walkPosition;
    let row = this.#walkRow;
    // A repair in between may have given the place another row.
    const isOnTheWay =
      this.#walkGroup === group && at <= position && table[row | PLACE] === place - position + at;
    if (!isOnTheWay) {
      at = 0;
      row = table[table[group | LAST_ROW] | RING];
    }
    for (; at < position; at++) row = table[row | RING];
    this.#walkGroup = group;
    this.#walkPosition = position;
    this.#walkRow = row;
    return table[row | SIZE] > 0 && table[row | PLACE] === place ? this.#handleAt(row) : null;
  }

  pageBytesOf(): number {
    return this.#geometry.pageSize;
  }

  endReclaim(group: number): number {
    if ((this.#table[group | USED] & COUNT_MASK) === 0) return this.#groups.release(group);
    this.#groups.spare(group);
    return 0;
  }

  endReclaims(): void {
    const table = this.#table;
    const mark = -Math.max(this.#member, 1);
    for (let i = 0; i < table[W_GROUPS_TAKEN]; i++) {
      const group = this.#firstGroup + (i << GROUP_SHIFT);
      if (table[group | PREV] === mark) this.endReclaim(group);
    }
  }

  trim(): void {
    this.#groups.trim();
  }

  giveBack(walk: FreeWalk): void {
    this.#groups.giveBack(walk);
  }

  metadataBytes(): number {
    const table = this.#table;
    return (
      geometries.fixedBytesOf(this.#geometry) +
      table[tables.W_PAGES_TAKEN] * geometries.PAGE_BYTES +
      table[W_GROUPS_TAKEN] * geometries.GROUP_BYTES +
      table[W_ROWS_TAKEN] * geometries.ROW_BYTES
    );
  }

  touchedBytes(): number {
    return this.#groups.touchedBytes();
  }

  /** Moves at most so many objects, so that pages become free. */
  compact(maxMoves: number): Compaction {
    const done = this.#mover.compact(maxMoves);
    this.#counters[F_OBJECTS_MOVED] += done.moved;
    this.#counters[F_PAGES_COMPACTED] += done.pages;
    return done;
  }

  /** Bytes of pages that compaction would release, estimated from some of the groups. Needs no lock. */
  looseBytes(): number {
    const table = this.#table;
    const layouts = this.#layouts;
    const step = Math.ceil(table[W_GROUPS_TAKEN] / LOOSE_SAMPLE);
    let pages = 0;
    let loose = 0;
    for (let i = 0; i < table[W_GROUPS_TAKEN]; i += step) {
      const group = this.#firstGroup + (i << GROUP_SHIFT);
      if (table[group | PREV] <= FREE) continue;
      const used = table[group | USED];
      const at = (used >> COUNT_BITS) << LAYOUT_SHIFT;
      pages += layouts[at | L_PAGES];
      loose += layouts[at | L_PAGES] * (1 - (used & COUNT_MASK) / layouts[at | L_OBJECTS]);
    }
    return pages === 0 ? 0 : Math.floor((this.pageBytes() * loose) / pages);
  }

  count(counter: number, by: number): void {
    this.#counters[counter] += by;
  }

  close(): void {
    this.#rowBound = 0;
    this.#table = new Int32Array(0);
  }

  repair(isGone: (member: number) => boolean): void {
    repairTable(this.#table, this.#geometry, this.#generationMask, isGone);
    this.#groups.repair();
  }

  pageBytes(): number {
    return this.#table[W_PAGE_COUNT] * this.#geometry.pageSize;
  }

  objects(visit: ObjectVisitor): void {
    const end = this.#firstRow + (this.#table[W_ROWS_TAKEN] << ROW_SHIFT);
    for (let row = this.#firstRow; row < end; row += 1 << ROW_SHIFT) {
      const size = this.#table[row | SIZE];
      if (size > 0) visit(this.#handleAt(row), size);
    }
  }

  stats(): PoolStats {
    return statsOf(this.#table, this.#counters, this.#geometry);
  }

  /** What its walks read. */
  inside(): { table: ZsmallocTable; geometry: Geometry; handleAt: (row: number) => Handle } {
    return { table: this.#table, geometry: this.#geometry, handleAt: (row) => this.#handleAt(row) };
  }

  /** A row for a group that has none free; where there is none at all, one that another group does not need. */
  #attach(group: number): number {
    let row = this.#groups.attach(group);
    if (row === 0 && this.#mover.giveRows()) row = this.#groups.attach(group);
    if (row === 0 && this.#table[group | ATTACHED] >> COUNT_BITS === NO_LIST) this.#groups.release(group);
    return row;
  }

  /** Notes which object changes now, so that another thread can make it whole if this one dies meanwhile. */
  #intend(row: number): void {
    const table = this.#table;
    table[W_INTENT_GENERATION] = table[row | GENERATION];
    table[W_INTENT] = ((row - this.#firstRow) >> ROW_SHIFT) + 1;
  }

  /** Groups.relist, with what is known here. */
  #relist(group: number, usedWord: number): void {
    const table = this.#table;
    const layout = usedWord >> COUNT_BITS;
    const used = usedWord & COUNT_MASK;
    const at = layout << LAYOUT_SHIFT;
    const layouts = this.#layouts;
    const list =
      used === layouts[at | L_OBJECTS] ? layouts[at | L_FULL] : 1 + ((used * this.#partialOf[layout]) | 0);
    const attached = table[group | ATTACHED];
    const listed = attached >> COUNT_BITS;
    if (list === listed) return;
    const lists = layouts[at | L_LISTS];
    if (listed !== NO_LIST) {
      const next = table[group | NEXT];
      const prev = table[group | PREV];
      table[prev | NEXT] = next;
      table[next | PREV] = prev;
      if (next === prev) table[lists] &= ~(1 << listed);
    }
    const head = lists + HEADS + (list << 1);
    const next = table[head | NEXT];
    table[group | NEXT] = next;
    table[group | PREV] = head;
    table[next | PREV] = group;
    table[head | NEXT] = group;
    table[lists] |= 1 << list;
    table[group | ATTACHED] = (attached & COUNT_MASK) | (list << COUNT_BITS);
    table[group | STAMP] = table[W_CLOCK]++;
  }

  /** Of the groups at the tails of each layout's lowest list, the least full; of those, the one there for longest. */
  #leastFull(listsMask: number): number {
    const table = this.#table;
    const layouts = this.#layouts;
    const count = this.#geometry.layoutCount;
    let best = 0;
    let bestUsed = 0;
    let bestObjects = 1;
    for (let layout = 1; layout < count; layout++) {
      const at = layout << LAYOUT_SHIFT;
      const lists = layouts[at | L_LISTS];
      const bits = table[lists] & listsMask;
      if (bits === 0) continue;
      const group = table[(lists + HEADS + ((31 - Math.clz32(bits & -bits)) << 1)) | PREV];
      const used = table[group | USED] & COUNT_MASK;
      const objects = layouts[at | L_OBJECTS];
      const difference = best === 0 ? -1 : used * bestObjects - bestUsed * objects;
      if (difference > 0) continue;
      if (difference === 0 && ((table[group | STAMP] - table[best | STAMP]) | 0) > 0) continue;
      best = group;
      bestUsed = used;
      bestObjects = objects;
    }
    return best;
  }

  /** The handle of the object that is, or will be, in this row. */
  #handleAt(row: number): Handle {
    const generation = this.#table[row | GENERATION];
    const low = ((row - this.#firstRow) << (TAG_BITS - ROW_SHIFT)) | this.#tag;
    return (
      generation <= this.#maxGenerationSmall
        ? (generation << this.#generationShift) | low
        : generation * this.#generationStep + low
    ) as Handle;
  }
}
