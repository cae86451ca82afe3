/**
 * Every operation is cut off before each of its stores in turn, as by the death of its thread; and the repair
 * after it likewise. Then the table is whole, and what was not in flight is where it was.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { ZsmallocAllocator } from "../../../src/drivers/zsmalloc/allocator.ts";
import { type Geometry, geometryOf } from "../../../src/drivers/zsmalloc/geometry.ts";
import { createZsmallocTable } from "../../../src/drivers/zsmalloc/table.ts";
import { zsmallocWalks } from "../../../src/drivers/zsmalloc/walks.ts";
import { createPageMemory, type PageMemory, threadsMemory } from "../../../src/memory/index.ts";
import {
  type HandleLayout,
  handleLayoutOf,
  LOCK_OWN,
  type Place,
  type Table,
} from "../../../src/pool/index.ts";

const PAGE_SIZE = 256;
const MEMBER = 129;
const OTHER_MEMBER = 130;
const MEMORY = { pages: 40, groupPages: 4 };

class CutOff extends Error {}

/** A pool's parts, with objects whose bytes are all their fill. */
class Setup {
  readonly geometry: Geometry;
  readonly table: Table;
  readonly memory: PageMemory;
  readonly layout: HandleLayout;
  readonly live = new Map<Handle, { size: number; fill: number }>();
  readonly whole: ZsmallocAllocator;

  constructor(maxObjects?: number) {
    this.geometry = geometryOf(PAGE_SIZE, MEMORY.pages, MEMORY.groupPages, maxObjects);
    this.table = createZsmallocTable(this.geometry, LOCK_OWN, threadsMemory);
    this.memory = createPageMemory(PAGE_SIZE, MEMORY.pages, threadsMemory);
    this.layout = handleLayoutOf(this.geometry.maxObjects, 1);
    this.whole = this.allocator(this.table, OTHER_MEMBER);
  }

  /** The algorithm, as a thread with this member has it. */
  allocator(table: Table, member = MEMBER): ZsmallocAllocator {
    return new ZsmallocAllocator(table, this.geometry, this.layout, this.memory, member);
  }

  /** The algorithm, on a table that can be written so many times. */
  cutOffAfter(stores: number): ZsmallocAllocator {
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
    const fill = 1 + this.live.size;
    this.bytesOf(handle, (bytes) => bytes.fill(fill));
    this.live.set(handle, { size, fill });
    return handle;
  }

  drop(handle: Handle): void {
    assert.ok(this.whole.free(handle));
    this.live.delete(handle);
  }

  bytesOf(handle: Handle, visit: (bytes: Uint8Array) => void): number {
    const at: Place = { page: 0, pageByte: 0, offset: 0, size: 0, offset2: 0, size2: 0 };
    this.whole.place(this.whole.find(handle), at);
    visit(new Uint8Array(this.memory.buffer, at.offset, at.size));
    if (at.size2 > 0) visit(new Uint8Array(this.memory.buffer, at.offset2, at.size2));
    return at.size + at.size2;
  }

  /** Fails unless the table is whole, and holds what is live, and at most what was in flight besides. */
  check(inFlight: { freed?: Handle; allocated?: number }, reclaims: number): void {
    zsmallocWalks.verify(this.whole, reclaims);
    for (const [handle, { size, fill }] of this.live) {
      if (this.whole.find(handle) === 0) {
        assert.equal(handle, inFlight.freed, `object ${handle} is lost`);
        continue;
      }
      const found = this.bytesOf(handle, (bytes) => assert.ok(bytes.every((byte) => byte === fill)));
      assert.equal(found, size);
    }
    this.whole.objects((handle, size) => {
      if (!this.live.has(handle)) assert.equal(size, inFlight.allocated, "an object that nobody allocated");
    });
  }

  /** All of it can be freed, and every page be used again. */
  finish(): void {
    this.whole.endReclaims();
    const handles: Handle[] = [];
    this.whole.objects((handle) => handles.push(handle));
    for (const handle of handles) assert.ok(this.whole.free(handle));
    zsmallocWalks.verify(this.whole, null);
    assert.equal(this.whole.pageBytes(), 0);
    for (let page = 0; page < Math.min(MEMORY.pages, this.geometry.maxObjects); page++) {
      assert.ok(this.whole.alloc(PAGE_SIZE) !== null, "a page or a row leaked");
    }
    zsmallocWalks.verify(this.whole, null);
  }
}

interface Scenario {
  name: string;
  maxObjects?: number;
  /** Makes the setup; gives what is cut off, and what of it may be done or not. */
  set(setup: Setup): {
    act: (allocator: ZsmallocAllocator) => void;
    inFlight?: { freed?: Handle; allocated?: number };
    /** Groups that a living thread has under reclaim meanwhile. */
    reclaims?: number;
  };
}

/** Objects of one size in several groups, most of them with room. */
function scattered(setup: Setup, size: number, count: number, keep: (i: number) => boolean): Handle[] {
  const handles = Array.from({ length: count }, () => setup.take(size));
  return handles.filter((handle, i) => {
    if (!keep(i)) setup.drop(handle);
    return keep(i);
  });
}

const SCENARIOS: Scenario[] = [
  {
    name: "alloc: the first object",
    set: () => ({ act: (a) => a.alloc(100), inFlight: { allocated: 100 } }),
  },
  {
    name: "alloc: a place that was freed",
    set: (setup) => {
      scattered(setup, 100, 8, (i) => i % 3 > 0);
      return { act: (a) => a.alloc(90), inFlight: { allocated: 90 } };
    },
  },
  {
    name: "alloc: the last place of a group",
    set: (setup) => {
      while (setup.whole.stats().pages < 5) setup.take(100);
      const last = [...setup.live.keys()].at(-1) as Handle;
      setup.drop(last);
      setup.drop([...setup.live.keys()].at(-1) as Handle);
      setup.take(100);
      return { act: (a) => a.alloc(100), inFlight: { allocated: 100 } };
    },
  },
  {
    name: "alloc: a new group of pages, rows and a group that were used before",
    set: (setup) => {
      scattered(setup, 40, 60, () => false);
      return { act: (a) => a.alloc(100), inFlight: { allocated: 100 } };
    },
  },
  {
    name: "alloc: a short group, since there are not enough pages",
    set: (setup) => {
      for (let i = 0; i < MEMORY.pages - 1; i++) setup.take(PAGE_SIZE);
      return { act: (a) => a.alloc(100), inFlight: { allocated: 100 } };
    },
  },
  {
    name: "alloc: a row that another group has to give",
    maxObjects: 12,
    set: (setup) => {
      scattered(setup, 40, 12, (i) => i % 2 === 1);
      return { act: (a) => a.alloc(200), inFlight: { allocated: 200 } };
    },
  },
  {
    name: "free: one of several",
    set: (setup) => {
      const [first] = scattered(setup, 100, 9, () => true);
      return { act: (a) => a.free(first), inFlight: { freed: first } };
    },
  },
  {
    name: "free: the only one, so that the group is released",
    set: (setup) => {
      scattered(setup, 40, 12, (i) => i > 3);
      const lone = setup.take(100);
      return { act: (a) => a.free(lone), inFlight: { freed: lone } };
    },
  },
  {
    name: "compact: several moves and releases",
    set: (setup) => {
      for (const size of [40, 100, 170]) scattered(setup, size, 18, (i) => i % 3 === 0);
      return { act: (a) => a.compact(1000) };
    },
  },
  {
    name: "compact: short groups into a whole one",
    set: (setup) => {
      const pages = Array.from({ length: MEMORY.pages - 1 }, () => setup.take(PAGE_SIZE));
      setup.take(100);
      for (const page of pages) setup.drop(page);
      for (let i = 0; i < 3; i++) setup.take(100);
      return { act: (a) => a.compact(1000) };
    },
  },
  {
    name: "reclaim: refused after one object was evicted",
    set: (setup) => {
      const [first] = scattered(setup, 100, 9, () => true);
      return {
        act: (a) => {
          const token = a.startReclaim();
          const handle = a.objectAt(token, 0) as Handle;
          assert.equal(handle, first);
          a.free(handle);
          a.endReclaim(token);
        },
        inFlight: { freed: first },
      };
    },
  },
  {
    name: "reclaim: of a group of one object",
    set: (setup) => {
      const lone = setup.take(100);
      return {
        act: (a) => {
          const token = a.startReclaim();
          a.free(lone);
          a.endReclaim(token);
        },
        inFlight: { freed: lone },
      };
    },
  },
  {
    name: "free: while a living thread has the group under reclaim",
    set: (setup) => {
      const lone = setup.take(100);
      setup.take(40);
      setup.take(40);
      assert.ok(setup.whole.startReclaim() > 0);
      return { act: (a) => a.free(lone), inFlight: { freed: lone }, reclaims: 1 };
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

describe("a thread that dies before any store", () => {
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
        setup.check(inFlight, reclaims);
        setup.finish();
        if (isWhole) break;
      }
      assert.ok(stores > 4, `${stores} stores`);
    });
  }
});
