/**
 * Every operation is cut off before each of its stores in turn, as by the death of its thread; and the repair
 * after it likewise. Then the table is whole, and what was not in flight is where it was, with its bytes.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { LogAllocator } from "../../../src/drivers/log/allocator.ts";
import { geometryOf, type LogGeometry } from "../../../src/drivers/log/geometry.ts";
import { createLogTable } from "../../../src/drivers/log/table.ts";
import { logWalks } from "../../../src/drivers/log/walks.ts";
import { createPageMemory, type PageMemory, threadsMemory } from "../../../src/memory/index.ts";
import {
  type HandleLayout,
  handleLayoutOf,
  LOCK_OWN,
  type Place,
  type Table,
} from "../../../src/pool/index.ts";

const PAGE_SIZE = 512;
const PAGES = 12;
const MEMBER = 129;
const OTHER_MEMBER = 130;
/** A page of four, of which two can go. */
const QUARTER = 128;

class CutOff extends Error {}

/** A pool's parts, with objects whose bytes are all their fill. */
class Setup {
  readonly geometry: LogGeometry;
  readonly table: Table;
  readonly memory: PageMemory;
  readonly layout: HandleLayout;
  readonly live = new Map<Handle, { size: number; fill: number }>();
  readonly whole: LogAllocator;
  /** Handles that must not come again. */
  readonly #issued = new Set<Handle>();

  constructor(maxObjects?: number) {
    this.geometry = geometryOf(PAGE_SIZE, PAGES, maxObjects);
    this.table = createLogTable(this.geometry, { slack: 5, fullSlack: 0 }, LOCK_OWN, threadsMemory);
    this.memory = createPageMemory(PAGE_SIZE, this.geometry.pages, threadsMemory);
    this.layout = handleLayoutOf(this.geometry.maxObjects, 1);
    this.whole = this.allocator(this.table, OTHER_MEMBER);
  }

  /** The algorithm, as a thread with this member has it. */
  allocator(table: Table, member = MEMBER): LogAllocator {
    return new LogAllocator(table, this.geometry, this.layout, this.memory, member);
  }

  /** The algorithm, on a table that can be written so many times. */
  cutOffAfter(stores: number): LogAllocator {
    let left = stores;
    const table = new Proxy(this.table, {
      get: (target, key) => Reflect.get(target, key, target),
      set: (target, key, value) => {
        if (left-- === 0) throw new CutOff();
        return Reflect.set(target, key, value, target);
      },
    });
    return this.allocator(table);
  }

  take(size: number): Handle {
    const handle = this.whole.alloc(size);
    if (handle === null) assert.fail(`no room for ${size} bytes`);
    const fill = 1 + (this.#issued.size % 255);
    this.#issued.add(handle);
    this.bytesOf(handle).fill(fill);
    this.live.set(handle, { size, fill });
    return handle;
  }

  takeMany(size: number, count: number): Handle[] {
    return Array.from({ length: count }, () => this.take(size));
  }

  drop(...handles: Handle[]): void {
    for (const handle of handles) {
      assert.ok(this.whole.free(handle));
      this.live.delete(handle);
    }
  }

  bytesOf(handle: Handle): Uint8Array {
    const at: Place = { page: 0, pageByte: 0, offset: 0, size: 0, offset2: 0, size2: 0 };
    this.whole.place(this.whole.find(handle), at);
    assert.equal(at.size2, 0);
    return new Uint8Array(this.memory.buffer, at.offset, at.size);
  }

  /**
   * Fails unless the table is whole, and holds what is live, and what was allocated if that came to its end: of an
   * alloc that was cut off nobody knows the handle.
   */
  check({ freed, allocated }: InFlight, isWhole: boolean, reclaims: number): void {
    logWalks.verify(this.whole, reclaims);
    for (const [handle, { size, fill }] of this.live) {
      if (this.whole.find(handle) === 0) {
        assert.ok(freed?.includes(handle), `object ${handle} is lost`);
        continue;
      }
      const bytes = this.bytesOf(handle);
      assert.equal(bytes.length, size);
      assert.ok(
        bytes.every((byte) => byte === fill),
        `object ${handle} is overwritten`,
      );
    }
    let isThere = false;
    this.whole.objects((handle, size) => {
      if (this.live.has(handle)) return;
      assert.equal(size, allocated, "an object that nobody allocated");
      isThere = true;
    });
    assert.equal(isThere, isWhole && allocated !== undefined, "an alloc is whole or undone");
  }

  /** All of it can be freed, and every page and row be used again. */
  finish(): void {
    this.whole.endReclaims();
    this.whole.allowPages(PAGES);
    const handles: Handle[] = [];
    this.whole.objects((handle) => handles.push(handle));
    for (const handle of handles) assert.ok(this.whole.free(handle));
    logWalks.verify(this.whole, null);
    assert.equal(this.whole.pageBytes(), 0);
    const pages = Math.min(PAGES, this.geometry.maxObjects);
    for (let page = 0; page < pages; page++) {
      const handle = this.whole.alloc(PAGE_SIZE);
      if (handle === null) assert.fail("a page leaked");
      assert.ok(!this.#issued.has(handle), `handle ${handle} was issued again`);
    }
    assert.equal(this.whole.alloc(PAGE_SIZE), null);
    this.whole.objects((handle) => handles.push(handle));
    for (const handle of handles) this.whole.free(handle);
    const rows = Math.min(this.geometry.maxObjects, PAGES * this.geometry.granules);
    for (let row = 0; row < rows; row++) {
      const handle = this.whole.alloc(1);
      if (handle === null) assert.fail("a row leaked");
      assert.ok(!this.#issued.has(handle), `handle ${handle} was issued again`);
    }
    logWalks.verify(this.whole, null);
  }
}

/** What may be done or not when the act is cut off. */
interface InFlight {
  freed?: Handle[];
  allocated?: number;
}

interface Scenario {
  name: string;
  maxObjects?: number;
  /** Makes the setup; gives what is cut off, and what of it may be done or not. */
  set(setup: Setup): {
    act: (allocator: LogAllocator) => void;
    inFlight?: InFlight;
    /** Pages that a living thread has under reclaim meanwhile. */
    reclaims?: number;
  };
}

const alloc = (size: number) => ({
  act: (a: LogAllocator) => void a.alloc(size),
  inFlight: { allocated: size },
});
const free = (handle: Handle) => ({
  act: (a: LogAllocator) => void a.free(handle),
  inFlight: { freed: [handle] },
});

/** Pages of four objects each, some of which are freed: those at the positions `gone`. */
function pagesWithGaps(setup: Setup, count: number, ...gone: number[]): Handle[] {
  const handles = setup.takeMany(QUARTER, 4 * count);
  setup.drop(...handles.filter((_, i) => gone.includes(i % 4)));
  return handles.filter((_, i) => !gone.includes(i % 4));
}

const SCENARIOS: Scenario[] = [
  { name: "alloc: the first object", set: () => alloc(100) },
  {
    name: "alloc: behind another, in the row of one that was freed",
    set: (setup) => {
      const [first] = setup.takeMany(100, 3);
      setup.drop(setup.take(PAGE_SIZE), first);
      return alloc(90);
    },
  },
  {
    name: "alloc: a page that was used before; the open one is listed",
    set: (setup) => {
      setup.drop(setup.take(PAGE_SIZE));
      setup.drop(setup.takeMany(QUARTER, 3)[1]);
      return alloc(PAGE_SIZE);
    },
  },
  {
    name: "alloc: cleans a page, all of which is moved",
    set: (setup) => {
      setup.takeMany(PAGE_SIZE, 2);
      pagesWithGaps(setup, 3, 0, 2);
      return alloc(QUARTER);
    },
  },
  {
    name: "alloc: cleans the open page, in a full pool",
    set: (setup) => {
      setup.takeMany(PAGE_SIZE, PAGES - 1);
      pagesWithGaps(setup, 1, 1);
      return alloc(QUARTER);
    },
  },
  {
    name: "openGap: of the emptiest page",
    set: (setup) => {
      setup.take(PAGE_SIZE);
      pagesWithGaps(setup, 4, 0);
      return { act: (a) => assert.ok(a.openGap(QUARTER, false)) };
    },
  },
  {
    name: "openGap: of the fullest page that has room",
    set: (setup) => {
      setup.take(PAGE_SIZE);
      pagesWithGaps(setup, 4, 0);
      return { act: (a) => assert.ok(a.openGap(QUARTER, true)) };
    },
  },
  {
    name: "openGap: of the open page",
    set: (setup) => {
      setup.takeMany(PAGE_SIZE, 2);
      pagesWithGaps(setup, 1, 1);
      return { act: (a) => assert.ok(a.openGap(QUARTER, false)) };
    },
  },
  {
    name: "alloc: no room",
    set: (setup) => {
      setup.takeMany(PAGE_SIZE, PAGES);
      return { act: (a) => assert.equal(a.alloc(QUARTER), null) };
    },
  },
  {
    name: "alloc: rows of freed objects, of the front, the middle and the end of a chain",
    maxObjects: 20,
    set: (setup) => {
      pagesWithGaps(setup, 5, 0, 1, 3);
      return alloc(8);
    },
  },
  {
    name: "alloc: no row, since all freed ones are under reclaim",
    maxObjects: 5,
    set: (setup) => {
      const [first] = setup.takeMany(100, 5);
      setup.whole.startReclaim();
      setup.drop(first);
      return { act: (a) => assert.equal(a.alloc(8), null), reclaims: 1 };
    },
  },
  { name: "free: one of several, in the open page", set: (setup) => free(setup.takeMany(100, 4)[1]) },
  {
    name: "free: of a page that goes to another list, and of one that comes to one",
    set: (setup) => {
      const handles = setup.takeMany(QUARTER, 12);
      setup.drop(handles[1]);
      return {
        act: (a) => {
          a.free(handles[0]);
          a.free(handles[4]);
        },
        inFlight: { freed: [handles[0], handles[4]] },
      };
    },
  },
  {
    name: "free: the only live object, so that the page and its rows are free",
    set: (setup) => {
      const [last] = pagesWithGaps(setup, 2, 0, 1, 2);
      return free(last);
    },
  },
  {
    name: "free: the only object of the open page",
    set: (setup) => {
      setup.take(PAGE_SIZE);
      return free(setup.take(8));
    },
  },
  {
    name: "free: while a living thread has the page under reclaim",
    set: (setup) => {
      const lone = setup.take(PAGE_SIZE);
      setup.takeMany(40, 2);
      assert.ok(setup.whole.startReclaim() > 0);
      return { ...free(lone), reclaims: 1 };
    },
  },
  {
    name: "compact: pages into the open one, and into new ones",
    set: (setup) => {
      pagesWithGaps(setup, 4, 1, 2);
      setup.take(QUARTER);
      return {
        act: (a) => {
          while (a.compact().pages > 0);
        },
      };
    },
  },
  {
    name: "compact: closes an open page in which objects were freed",
    set: (setup) => {
      pagesWithGaps(setup, 3, 0, 3);
      return { act: (a) => assert.equal(a.compact().pages, 1) };
    },
  },
  {
    name: "compact: nothing comes of it",
    set: (setup) => {
      const handles = setup.takeMany(40, 24);
      setup.drop(handles[0], handles[20]);
      return { act: (a) => assert.deepEqual(a.compact(), { moved: 0, pages: 0 }) };
    },
  },
  {
    name: "reclaim: refused after one object was evicted",
    set: (setup) => {
      const [first] = setup.takeMany(100, 9);
      return {
        act: (a) => {
          const token = a.startReclaim();
          assert.equal(a.objectAt(token, 0), first);
          a.free(first);
          a.endReclaim(token);
        },
        inFlight: { freed: [first] },
      };
    },
  },
  {
    name: "reclaim: of the open page, which is the only one",
    set: (setup) => {
      const lone = setup.take(100);
      return {
        act: (a) => {
          const token = a.startReclaim();
          a.free(lone);
          assert.equal(a.endReclaim(token), 1);
        },
        inFlight: { freed: [lone] },
      };
    },
  },
  {
    name: "reclaim: of a page from which objects were freed",
    set: (setup) => {
      pagesWithGaps(setup, 2, 1, 2);
      return {
        act: (a) => {
          const token = a.startReclaim();
          assert.equal(a.positions(token), 4);
          a.endReclaim(token);
        },
      };
    },
  },
];

function isGone(member: number): boolean {
  return member !== OTHER_MEMBER;
}

/** Runs work that may be cut off. True: it came to its end. */
function cameToEnd(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!(error instanceof CutOff)) throw error;
    return false;
  }
}

describe("a thread that dies before any store in a log pool", () => {
  for (const { name, maxObjects, set } of SCENARIOS) {
    it(name, () => {
      let stores = 0;
      for (; ; stores++) {
        const setup = new Setup(maxObjects);
        const { act, inFlight = {}, reclaims = 0 } = set(setup);
        const isWhole = cameToEnd(() => act(setup.cutOffAfter(stores)));
        // The repair dies as well, every few stores on, and begins anew.
        for (let before = stores % 5; !cameToEnd(() => setup.cutOffAfter(before).repair(isGone)); )
          before += 23;
        setup.check(inFlight, isWhole, reclaims);
        setup.finish();
        if (isWhole) break;
      }
      assert.ok(stores >= 2, `${stores} stores`);
    });
  }
});

describe("a thread that dies anywhere, again and again, in a pool in any state", () => {
  it("leaves all objects as they were, but for what it was at", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const prng = new Prng(Math.imul(seed, 0x9e37_79b1));
      for (let i = 0; i < 8; i++) prng.uint32();
      const setup = new Setup(prng.chance(0.3) ? 30 : undefined);
      for (let death = 0; death < 20; death++) {
        for (let i = prng.below(20); i > 0; i--) randomStep(setup, prng);
        const live = [...setup.live.keys()];
        const handle = live[prng.below(live.length)] ?? (0 as Handle);
        const size = 1 + prng.below(prng.chance(0.5) ? 60 : PAGE_SIZE);
        const [act, inFlight] = (
          [
            [(a) => void a.alloc(size), { allocated: size }],
            [(a) => void a.free(handle), { freed: [handle] }],
            [(a) => void a.compact(), {}],
          ] satisfies [(a: LogAllocator) => void, InFlight][]
        )[prng.below(3)] as [(a: LogAllocator) => void, InFlight];
        let before = prng.below(80);
        const isWhole = cameToEnd(() => act(setup.cutOffAfter(before)));
        for (before = prng.below(100); !cameToEnd(() => setup.cutOffAfter(before).repair(isGone)); )
          before += 200;
        logWalks.verify(setup.whole, 0);
        settle(setup, inFlight, isWhole);
        setup.check({}, true, 0);
      }
      setup.finish();
    }
  });
});

function randomStep(setup: Setup, prng: Prng): void {
  const live = [...setup.live.keys()];
  const choice = prng.below(10);
  if (choice < 6) {
    const hasRoom = live.length < setup.geometry.maxObjects && setup.whole.pageBytes() < 9 * PAGE_SIZE;
    if (hasRoom) setup.take(1 + prng.below(prng.chance(0.7) ? 100 : PAGE_SIZE));
  } else if (choice < 9 && live.length > 0) setup.drop(live[prng.below(live.length)]);
  else setup.whole.compact();
}

/** What may have been done counts from here on. */
function settle(setup: Setup, { freed = [], allocated }: InFlight, isWhole: boolean): void {
  for (const handle of freed) if (setup.whole.find(handle) === 0) setup.live.delete(handle);
  const added: Handle[] = [];
  setup.whole.objects((handle, size) => {
    if (setup.live.has(handle)) return;
    assert.ok(isWhole && size === allocated, "an object that nobody allocated");
    added.push(handle);
  });
  assert.ok(added.length <= 1);
  for (const handle of added) assert.ok(setup.whole.free(handle));
}

describe("a repair while a living thread walks over a page", () => {
  it("leaves the walk in its page, where rows that it was at are used elsewhere", () => {
    for (let at = 0; at < 4; at++) {
      const setup = new Setup();
      const handles = setup.takeMany(QUARTER, 4);
      const token = setup.whole.startReclaim();
      assert.equal(setup.whole.positions(token), 4);
      for (let position = 0; position <= at; position++) {
        assert.equal(setup.whole.objectAt(token, position), handles[position]);
        setup.drop(handles[position]);
        assert.equal(setup.whole.objectAt(token, position), null);
      }
      const other = setup.allocator(setup.table);
      other.repair((member) => member !== OTHER_MEMBER);
      logWalks.verify(other, 1);
      const elsewhere = setup.takeMany(QUARTER, 6);
      const offered: (Handle | null)[] = [];
      for (let position = at + 1; position < 4; position++)
        offered.push(setup.whole.objectAt(token, position));
      for (const handle of offered) {
        assert.ok(handle === null || handles.indexOf(handle) > at, `${handle} is of another page`);
        assert.ok(handle === null || !elsewhere.includes(handle));
      }
      assert.equal(setup.whole.endReclaim(token), at === 3 ? 1 : 0);
      setup.check({}, true, 0);
      setup.finish();
    }
  });
});
