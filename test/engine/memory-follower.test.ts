/** How a limit follows what memory there is: the rule, on simulated machines, and in a memory control group. */

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ZbudError } from "../../src/base/index.ts";
import {
  MEMORY_CHANNEL,
  MEMORY_RULE,
  type MemoryDecision,
  type MemoryLook,
  memoryReserve,
  nextLimit,
  nextLookMs,
  startLimit,
} from "../../src/engine/memory-follower.ts";
import { MIB, SimulatedMachine, type SimulatedOptions } from "./simulated-machine.ts";

const SEED = 1;
const SECOND = 1000;
const RANGE = { min: 8 * MIB, max: 200 * MIB };
/** Of a group of 256 MiB. */
const LOW = 32 * MIB;
const HIGH = 48 * MIB;

function machineOf(availableBytes: number, limitBytes: number = 256 * MIB, some: number | null = null) {
  const pressure = some === null ? null : { some, full: 0 };
  return { limitBytes, availableBytes, source: "cgroup2", pressure } as const;
}

/** A look at which nothing has to happen. */
function lookOf(more: Partial<MemoryLook> = {}): MemoryLook {
  return {
    range: RANGE,
    machine: machineOf(40 * MIB),
    bytesInUse: 100 * MIB,
    limitBytes: 100 * MIB,
    takenBytes: 0,
    steadyBytes: 140 * MIB,
    pressureBefore: 0,
    msSinceChange: 60 * SECOND,
    msSincePressure: Number.POSITIVE_INFINITY,
    ...more,
  };
}

/** The limit that the rule says, in MiB, and why. */
function next(more: Partial<MemoryLook>): [number, string | null] {
  const { limitBytes, reason } = nextLimit(lookOf(more));
  return [limitBytes / MIB, reason];
}

describe("the reserve", () => {
  for (const [limit, low] of [
    [64, 16],
    [256, 32],
    [1024, 128],
    [4096, 512],
    [65536, 512],
  ]) {
    it(`of ${limit} MiB is ${low} MiB, and half more to come back to`, () => {
      assert.deepEqual(memoryReserve(machineOf(0, limit * MIB)), { low: low * MIB, high: 1.5 * low * MIB });
    });
  }

  it("a new cache may have the rest, within its bounds", () => {
    assert.equal(startLimit(RANGE, machineOf(150 * MIB)), 102 * MIB);
    assert.equal(startLimit(RANGE, machineOf(10 * MIB)), RANGE.min);
    assert.equal(startLimit(RANGE, machineOf(256 * MIB)), RANGE.max);
    assert.equal(startLimit(RANGE, machineOf(Number.POSITIVE_INFINITY)), RANGE.max);
  });
});

describe("the rule", () => {
  const room = { machine: machineOf(128 * MIB), steadyBytes: 228 * MIB };
  const pressing = { machine: machineOf(100 * MIB, 256 * MIB, 20) };
  const CASES: [what: string, look: Partial<MemoryLook>, limit: number, reason: string | null][] = [
    ["between the reserves nothing happens", {}, 100, null],
    ["just at the low one neither", { machine: machineOf(LOW) }, 100, null],
    ["below: as much goes as brings back the high one", { machine: machineOf(30 * MIB) }, 82, "short"],
    ["and as much as others just took", { machine: machineOf(30 * MIB), takenBytes: 20 * MIB }, 62, "short"],
    ["a little that they took alone is no reason", { takenBytes: 20 * MIB }, 100, null],
    ["more than what is left is one", { machine: machineOf(70 * MIB), takenBytes: 80 * MIB }, 42, "short"],
    ["never below min", { machine: machineOf(0), takenBytes: 200 * MIB }, 8, "short"],
    ["at min nothing happens", { machine: machineOf(0), limitBytes: 8 * MIB, bytesInUse: 8 * MIB }, 8, null],
    [
      "what is not in use yet is lowered too",
      { bytesInUse: 10 * MIB, machine: machineOf(90 * MIB) },
      52,
      "short",
    ],
    [
      "what was not given back counts as in use",
      { bytesInUse: 150 * MIB, machine: machineOf(10 * MIB) },
      100,
      null,
    ],
    ["a step of an eighth of the room", room, 110, "room"],
    [
      "at most to max",
      { ...room, machine: machineOf(10_000 * MIB), steadyBytes: 1e12, limitBytes: 199 * MIB },
      200,
      "room",
    ],
    ["not beyond max", { ...room, machine: machineOf(10_000 * MIB), limitBytes: 200 * MIB }, 200, null],
    ["no steps of a few bytes", { ...room, steadyBytes: 150 * MIB }, 100, null],
    ["no second step at once", { ...room, msSinceChange: 999 }, 100, null],
    ["no step when there was less room a moment ago", { ...room, steadyBytes: 140 * MIB }, 100, null],
    ["nor before anybody knows", { ...room, steadyBytes: Number.NEGATIVE_INFINITY }, 100, null],
    ["nor soon after pressure", { ...room, msSincePressure: 59 * SECOND }, 100, null],
    [
      "where nobody tells, max is reached",
      { machine: machineOf(Number.POSITIVE_INFINITY), steadyBytes: Number.POSITIVE_INFINITY },
      112.5,
      "room",
    ],
    ["under pressure an eighth goes", pressing, 87.5, "pressure"],
    ["of what is in use", { ...pressing, bytesInUse: 80 * MIB }, 70, "pressure"],
    ["not again before it can show", { ...pressing, msSinceChange: 1999 }, 100, null],
    ["not while it falls by itself", { ...pressing, pressureBefore: 24 }, 100, null],
    ["but while it stays", { ...pressing, pressureBefore: 20 }, 87.5, "pressure"],
    ["not for pressure elsewhere", { machine: machineOf(128 * MIB, 256 * MIB, 90) }, 100, null],
    [
      "a little pressure only keeps it from rising",
      { ...room, machine: machineOf(128 * MIB, 256 * MIB, 2) },
      100,
      null,
    ],
  ];
  for (const [what, look, limit, reason] of CASES) {
    it(what, () => assert.deepEqual(next(look), [limit, reason]));
  }

  it("looks often near the low reserve, seldom when there is plenty or nothing to give", () => {
    const msAt = (available: number, limitBytes = 100 * MIB): number =>
      nextLookMs(lookOf({ machine: machineOf(available * MIB, 256 * MIB), limitBytes }));
    assert.deepEqual(
      [0, 32, 48, 132, 232].map((available) => msAt(available)),
      [25, 25, 25, 50, 100],
    );
    assert.equal(nextLookMs(lookOf({ machine: machineOf(2 ** 34, 2 ** 35) })), MEMORY_RULE.maxLookMs);
    assert.equal(msAt(0, RANGE.min), MEMORY_RULE.maxLookMs);
  });

  const bytes = fc.integer({ min: 0, max: 2 ** 36 });
  const anyLook = fc
    .record({
      sizes: fc.tuple(bytes, bytes, bytes).map((list) => list.sort((a, b) => a - b)),
      available: fc.oneof(bytes, fc.integer({ min: 0, max: 2 ** 30 }), fc.constant(Number.POSITIVE_INFINITY)),
      machineLimit: fc.integer({ min: 2 ** 20, max: 2 ** 40 }),
      bytesInUse: bytes,
      takenBytes: bytes,
      steady: fc.double({ min: 0, max: 1, noNaN: true }),
      some: fc.option(fc.double({ min: 0, max: 100, noNaN: true })),
      pressureBefore: fc.double({ min: 0, max: 100, noNaN: true }),
      msSinceChange: fc.integer({ min: 0, max: 100_000 }),
      msSincePressure: fc.integer({ min: 0, max: 100_000 }),
    })
    .map(({ sizes: [min, limitBytes, max], available, machineLimit, steady, some, ...rest }): MemoryLook => {
      const machine = machineOf(available, machineLimit, some);
      // At most what is left now.
      const steadyBytes = steady === 0 ? Number.NEGATIVE_INFINITY : (available + rest.bytesInUse) * steady;
      return { ...rest, range: { min, max }, limitBytes, machine, steadyBytes };
    });

  it(`of whatever it sees (fast-check, seed ${SEED})`, () => {
    fc.assert(
      fc.property(anyLook, (look) => {
        const { limitBytes, reason } = nextLimit(look);
        const { low, high } = memoryReserve(look.machine);
        const { availableBytes } = look.machine;
        assert.ok(
          Number.isSafeInteger(limitBytes) && limitBytes >= look.range.min && limitBytes <= look.range.max,
        );
        assert.equal(reason === null, limitBytes === look.limitBytes);
        assert.equal(reason === "room", limitBytes > look.limitBytes);
        if (availableBytes < low) assert.ok(limitBytes <= look.limitBytes, "it grows when memory is short");
        // When all of the limit is used, the reserve is there.
        const left = availableBytes + look.bytesInUse - limitBytes;
        if (reason === "short" && limitBytes > look.range.min)
          assert.ok(left >= high, "too little is given back");
        if (reason === "room") assert.ok(left >= high, "too much is taken");
        if (reason === null && limitBytes > look.range.min) assert.ok(left >= low, "nothing is done");
        const ms = nextLookMs(look);
        assert.ok(Number.isInteger(ms) && ms >= MEMORY_RULE.minLookMs && ms <= MEMORY_RULE.maxLookMs);
      }),
      { seed: SEED, numRuns: 5000 },
    );
  });
});

/** A group of 256 MiB with a program of 50 MiB beside the cache. */
function machine(more: Partial<SimulatedOptions> = {}): SimulatedMachine {
  return new SimulatedMachine({ limitBytes: 256 * MIB, range: RANGE, others: () => 50 * MIB, ...more });
}

describe("on a simulated machine", () => {
  it("steady: the cache fills what it may have, once and for all", () => {
    const simulated = machine().run(300 * SECOND);
    assert.equal(simulated.bytesInUse, (256 - 50) * MIB - HIGH);
    assert.equal(simulated.changes.length, 1, "from max to what there is");
    assert.equal(simulated.availableBytes, HIGH);
  });

  it("plenty: the limit stays at max, looked at once a second", () => {
    const simulated = machine({ limitBytes: 64 * 1024 * MIB }).run(60 * SECOND);
    assert.deepEqual(simulated.changes, []);
    assert.ok(simulated.looks.length <= 61, String(simulated.looks.length));
  });

  for (const ms of [200, 500, 1000, 5000]) {
    it(`a program that takes 150 MiB within ${ms} ms lives`, () => {
      const others = (at: number): number => (50 + 150 * Math.min(1, Math.max(0, at - 20_000) / ms)) * MIB;
      const simulated = machine({ others }).run(60 * SECOND);
      assert.ok(simulated.leastAvailable > 0, `${simulated.leastAvailable} bytes`);
      assert.ok(simulated.availableBytes >= LOW);
      assert.ok(
        simulated.since(20_000).every(({ from, to }) => to < from),
        "it grows where there is no room",
      );
    });
  }

  it("a program that grows slowly is given way in steps, each of them from the low reserve to the high one", () => {
    const others = (at: number): number => (50 + Math.min(120, at / SECOND)) * MIB;
    const simulated = machine({ others }).run(300 * SECOND);
    assert.ok(simulated.leastAvailable >= LOW - MIB, `${simulated.leastAvailable} bytes`);
    assert.ok(simulated.changes.length <= 1 + 120 / 16 + 1, String(simulated.changes.length));
    assert.ok(simulated.availableBytes < HIGH + MIB, "no more than that is given");
  });

  for (const seconds of [1, 5, 10]) {
    it(`a program that takes and gives back 60 MiB every ${seconds} s is not followed up and down`, () => {
      const period = seconds * SECOND;
      // Within a quarter of the time.
      const wave = (at: number): number => Math.min(1, Math.abs(((at / period) % 1) - 0.5) * 4);
      const others = (at: number): number => (50 + 60 * wave(at)) * MIB;
      const simulated = machine({ others }).run(300 * SECOND);
      assert.ok(simulated.leastAvailable > 0);
      const late = simulated.since(60 * SECOND);
      assert.ok(late.length <= 4, `${late.length} changes in four minutes`);
      assert.ok(simulated.limitBytes >= RANGE.min + 40 * MIB, "and the cache is not as small as can be");
    });
  }

  it("a program that takes and gives back in minutes is followed, once each time", () => {
    const others = (at: number): number => (at % 120_000 < 60_000 ? 50 : 80) * MIB;
    const simulated = machine({ others }).run(600 * SECOND);
    const down = simulated.since(SECOND).filter(({ from, to }) => to < from);
    assert.ok(down.length <= 5, `${down.length} times`);
    assert.ok(simulated.leastAvailable > 0);
  });

  it("noise within the two reserves changes nothing", () => {
    let seed = SEED;
    const noise = (): number => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    const simulated = machine({ others: () => (50 + 12 * noise()) * MIB }).run(300 * SECOND);
    assert.ok(simulated.changes.length <= 2, String(simulated.changes.length));
    assert.ok(simulated.leastAvailable >= LOW);
  });

  it("pressure alone takes an eighth every two seconds until it falls, and nothing comes back for a minute", () => {
    const end = 30_000;
    const pressure = (at: number): number => {
      if (at < 20_000) return 0;
      // The mean of ten seconds, made anew every two.
      return at < end ? 30 : 30 * Math.exp(-(at - (at % 2000) - end) / 10_000);
    };
    const simulated = machine({ others: () => 100 * MIB, pressure }).run(150 * SECOND);
    const down = simulated.since(20_000).filter(({ from, to }) => to < from);
    assert.ok(down.length >= 3 && down.length <= 6, `${down.length} steps`);
    assert.ok(down.every(({ from, to }) => to >= from * 0.874));
    assert.ok(down.every(({ at }) => at < end + 2000));
    const up = simulated.since(20_000).find(({ from, to }) => to > from);
    assert.ok(up !== undefined && up.at > end + MEMORY_RULE.pressureRestMs, JSON.stringify(up));
  });

  it("memory that comes back is taken in steps, after ten seconds of it", () => {
    const others = (at: number): number => (at < 20_000 ? 200 : 50) * MIB;
    const simulated = machine({ others, startBytes: RANGE.min }).run(120 * SECOND);
    const [first, ...more] = simulated.changes;
    assert.ok(first.at >= 30_000, String(first.at));
    more.forEach(({ at, from, to }, i) => {
      assert.ok(to > from);
      assert.ok(at - simulated.changes[i].at >= SECOND);
    });
    assert.ok(simulated.limitBytes > (256 - 50) * MIB - HIGH - 8 * MIB, String(simulated.limitBytes));
    assert.ok(simulated.availableBytes >= HIGH);
  });

  it("a cache whose pages do not go back stops growing, and does not shrink to nothing for it", () => {
    const others = (at: number): number => (at < 20_000 ? 50 : 70) * MIB;
    const simulated = machine({ others, givesBack: false }).run(120 * SECOND);
    assert.equal(simulated.bytesInUse, (256 - 50) * MIB - HIGH);
    assert.ok(simulated.limitBytes >= (256 - 70) * MIB - HIGH - 20 * MIB, String(simulated.limitBytes));
    assert.ok(simulated.since(20_000).length <= 2);
  });

  it("two caches that follow one machine both find their place", () => {
    const machines: SimulatedMachine[] = [];
    const beside = (number: number) => () => 50 * MIB + (machines[1 - number]?.bytesInUse ?? 0);
    for (const number of [0, 1]) machines.push(machine({ others: beside(number) }));
    for (let ms = 0; ms < 300 * SECOND; ms++) for (const each of machines) each.run(1);
    for (const each of machines) {
      assert.ok(each.leastAvailable > 0);
      assert.ok(each.since(120 * SECOND).length <= 2, `${each.since(120 * SECOND).length} changes`);
      assert.ok(each.limitBytes > 2 * RANGE.min, String(each.limitBytes));
    }
  });

  it(`whatever others take, the limit is in its range (fast-check, seed ${SEED})`, () => {
    const steps = fc.array(fc.integer({ min: 0, max: 256 }), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(steps, (taken) => {
        const others = (at: number): number => taken[Math.floor(at / 3000) % taken.length] * MIB;
        const simulated = machine({ others }).run(30 * SECOND);
        assert.ok(simulated.changes.every(({ to }) => to >= RANGE.min && to <= RANGE.max));
        // Ten steps, each of them seen twice at most, and a step upwards in each second.
        assert.ok(simulated.changes.length <= 1 + 20 + 20, String(simulated.changes.length));
      }),
      { seed: SEED, numRuns: 50 },
    );
  });
});

describe("the process that follows", () => {
  const others = (at: number): number => (at < 1000 ? 50 : 100) * MIB;

  it("is one of those that share the cache; the others only ask whether it is they", () => {
    const simulated = machine({ others });
    simulated.isLeader = false;
    simulated.run(5 * SECOND);
    assert.deepEqual([simulated.looks.length, simulated.openReaders, simulated.changes.length], [0, 0, 0]);
    simulated.isLeader = true;
    simulated.run(2 * SECOND);
    assert.equal(simulated.openReaders, 1);
    assert.ok(simulated.changes.length > 0);
    simulated.isLeader = false;
    simulated.run(2 * SECOND);
    assert.equal(simulated.openReaders, 0);
  });

  it("stops when it is closed", () => {
    const simulated = machine({ others }).run(SECOND);
    simulated.follower.close();
    assert.deepEqual([simulated.isWaiting, simulated.openReaders], [false, 0]);
    const { length } = simulated.looks;
    simulated.run(10 * SECOND);
    assert.equal(simulated.looks.length, length);
  });

  it("tells each change on its channel", () => {
    const heard: MemoryDecision[] = [];
    const listen = (message: unknown): void => {
      heard.push(message as MemoryDecision);
    };
    subscribe(MEMORY_CHANNEL, listen);
    const simulated = machine({ others, pressure: () => 3 }).run(5 * SECOND);
    unsubscribe(MEMORY_CHANNEL, listen);
    assert.equal(MEMORY_CHANNEL, "zbud:memory");
    assert.deepEqual(
      heard.map(({ from, to }) => ({ from, to })),
      simulated.changes.map(({ from, to }) => ({ from, to })),
    );
    const { availableBytes, bytesFreed, to, ...rest } = heard[1];
    assert.deepEqual(rest, {
      reason: "short",
      limitBytes: 256 * MIB,
      pressure: { some: 3, full: 1.5 },
      from: 158 * MIB,
    });
    assert.ok(availableBytes < LOW && bytesFreed > 0 && to < rest.from);
  });

  it("goes on after a resize that threw, where somebody keeps the process alive", () => {
    const simulated = machine({ others });
    simulated.faults = 1;
    assert.throws(() => simulated.run(SECOND), /planted/);
    assert.ok(simulated.isWaiting);
    simulated.run(2 * SECOND);
    assert.ok(simulated.changes.length > 0);
  });

  it("waits for a process that is stopped within a lock, and goes on with it", () => {
    const simulated = machine({ others });
    simulated.faults = 3;
    simulated.fault = new ZbudError("EAGAIN", "planted");
    simulated.run(6 * SECOND);
    assert.equal(simulated.faults, 0);
    assert.ok(simulated.changes.length > 0);
  });
});
