import { builtin, type MachineMemory, MemoryReader, unlessLockBusy } from "../base/index.ts";

/**
 * The constants of the rule by which a limit follows what memory there is.
 *
 * Of the memory that others leave (what is available, and what the cache has), the cache may have all but a reserve.
 * There are two reserves, and between them nothing happens. A limit that would leave less than the low one, or less than
 * others took in the last moments, is lowered at once, so far that the high one is left and that much besides. A limit that has left
 * more than the high one for a while is raised, step by step.
 */
export interface MemoryRule {
  /** The low reserve, as a share of the limit of the machine or the group. */
  readonly reserveShare: number;
  /** Its bounds. */
  readonly minReserveBytes: number;
  readonly maxReserveBytes: number;
  /** The high reserve, in low ones. */
  readonly highReserve: number;
  /** What others took in this time is expected to be taken once more. */
  readonly takenWindowMs: number;
  /** There must have been room for this time, before the limit is raised. */
  readonly roomWindowMs: number;
  /** A step upwards, as a share of the room that there is. */
  readonly growShare: number;
  /** A step is at least this share of the limit, and so many bytes. */
  readonly minGrowShare: number;
  readonly minGrowBytes: number;
  /** The least time between a change and a step upwards. */
  readonly growEveryMs: number;
  /** From this pressure on (percent of the last ten seconds in which some task waited), the limit is lowered. */
  readonly highPressure: number;
  /** By this share of what is in use. */
  readonly pressureShare: number;
  /** The least time between a change and such a step. */
  readonly pressureEveryMs: number;
  /**
   * No more steps when the pressure is this share of what it was that time ago: the mean of ten seconds falls by a sixth
   * in two when all waits are over.
   */
  readonly fallingPressure: number;
  /**
   * Nor while more than this share of the memory is available: the machine's pressure is also that of other groups with
   * limits of their own, which no cache outside can help.
   */
  readonly pressureAvailableShare: number;
  /** There must have been no more than this pressure ... */
  readonly lowPressure: number;
  /** ... for this time, before the limit is raised. */
  readonly pressureRestMs: number;
  /** The time between two looks is what it takes to get down to the low reserve at this rate ... */
  readonly takenBytesPerMs: number;
  /** ... within these bounds. */
  readonly minLookMs: number;
  readonly maxLookMs: number;
}

export const MEMORY_RULE: MemoryRule = {
  reserveShare: 1 / 8,
  minReserveBytes: 2 ** 24,
  maxReserveBytes: 2 ** 29,
  highReserve: 1.5,
  takenWindowMs: 250,
  roomWindowMs: 10_000,
  growShare: 1 / 8,
  minGrowShare: 1 / 32,
  minGrowBytes: 2 ** 20,
  growEveryMs: 1000,
  highPressure: 10,
  pressureShare: 1 / 8,
  pressureEveryMs: 2000,
  fallingPressure: 0.9,
  pressureAvailableShare: 1 / 2,
  lowPressure: 1,
  pressureRestMs: 60_000,
  takenBytesPerMs: 2 ** 21,
  minLookMs: 25,
  maxLookMs: 1000,
};

/** Bounds of a limit, in bytes. */
export interface MemoryRange {
  readonly min: number;
  readonly max: number;
}

/**
 * Why a limit changed: `"short"`, it was more than there is memory for; `"pressure"`, tasks waited for memory; `"room"`,
 * there has been room for more for a while.
 */
export type MemoryReason = "short" | "pressure" | "room";

/** All that the rule looks at. */
export interface MemoryLook {
  readonly range: MemoryRange;
  readonly machine: MachineMemory;
  /** What the cache holds of the system: pages that it emptied but did not give back are in use. */
  readonly bytesInUse: number;
  /** The cache's limit; in the range. */
  readonly limitBytes: number;
  /**
   * What others took in {@link MemoryRule.takenWindowMs}, or since the look before if that was earlier. What the cache
   * itself took or gave is not in it.
   */
  readonly takenBytes: number;
  /**
   * The least of what others left in {@link MemoryRule.roomWindowMs}, and what they took at once beyond the low reserve
   * taken off. Less than nothing, if nobody has looked for so long.
   */
  readonly steadyBytes: number;
  /** Pressure {@link MemoryRule.pressureEveryMs} ago. */
  readonly pressureBefore: number;
  readonly msSinceChange: number;
  /** Since there was more than {@link MemoryRule.lowPressure}. */
  readonly msSincePressure: number;
}

/** What the rule says: the next limit and why, or the same limit and null. */
export interface NextLimit {
  readonly limitBytes: number;
  readonly reason: MemoryReason | null;
}

/** The bytes to keep free: the limit is lowered when less than `low` would be left, so that `high` is. */
export function memoryReserve(machine: MachineMemory): { low: number; high: number } {
  const { reserveShare, minReserveBytes, maxReserveBytes, highReserve } = MEMORY_RULE;
  const low = clamp(machine.limitBytes * reserveShare, minReserveBytes, maxReserveBytes);
  return { low, high: low * highReserve };
}

/** The limit of a cache that is made now, and has nothing yet. */
export function startLimit(range: MemoryRange, machine: MachineMemory): number {
  return clamp(machine.availableBytes - memoryReserve(machine).high, range.min, range.max);
}

/** The rule that {@link MemoryRule} tells. */
export function nextLimit(look: MemoryLook): NextLimit {
  const { range, machine, bytesInUse, limitBytes, takenBytes, steadyBytes } = look;
  const { low, high } = memoryReserve(machine);
  const left = machine.availableBytes + bytesInUse;
  if (limitBytes > left - Math.max(low, takenBytes)) return lowered(look, left - high - takenBytes, "short");
  const some = machine.pressure?.some ?? 0;
  if (isPressing(look, some)) {
    const used = Math.min(bytesInUse, limitBytes);
    return lowered(look, used - used * MEMORY_RULE.pressureShare, "pressure");
  }
  if (
    machine.availableBytes >= high &&
    look.msSinceChange >= MEMORY_RULE.growEveryMs &&
    look.msSincePressure >= MEMORY_RULE.pressureRestMs &&
    some <= MEMORY_RULE.lowPressure
  ) {
    const top = Math.min(range.max, Math.floor(steadyBytes - high));
    const room = top - limitBytes;
    const least = Math.max(MEMORY_RULE.minGrowBytes, limitBytes * MEMORY_RULE.minGrowShare);
    if (room >= least || (room > 0 && top === range.max)) {
      const step = Math.ceil(Math.max(room * MEMORY_RULE.growShare, least));
      return { limitBytes: Math.min(top, limitBytes + step), reason: "room" };
    }
  }
  return { limitBytes, reason: null };
}

/** When to look again. */
export function nextLookMs({ range, machine, limitBytes }: MemoryLook): number {
  const { takenBytesPerMs, minLookMs, maxLookMs } = MEMORY_RULE;
  // There is nothing to give.
  if (limitBytes <= range.min) return maxLookMs;
  return clamp((machine.availableBytes - memoryReserve(machine).low) / takenBytesPerMs, minLookMs, maxLookMs);
}

function isPressing({ machine, msSinceChange, pressureBefore }: MemoryLook, some: number): boolean {
  return (
    some >= MEMORY_RULE.highPressure &&
    some > pressureBefore * MEMORY_RULE.fallingPressure &&
    msSinceChange >= MEMORY_RULE.pressureEveryMs &&
    machine.availableBytes < machine.limitBytes * MEMORY_RULE.pressureAvailableShare
  );
}

function lowered({ range, limitBytes }: MemoryLook, bytes: number, reason: MemoryReason): NextLimit {
  const next = Math.max(range.min, Math.floor(bytes));
  return next < limitBytes ? { limitBytes: next, reason } : { limitBytes, reason: null };
}

/** An integer within bounds. */
function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, Math.floor(value)));
}

/** What the last looks saw, as far as the rule asks for it. */
class MemoryHistory {
  /** What others left, at the looks within the window, and at the last one before. */
  #looks: { at: number; left: number }[] = [];
  /** The least that others left: since `#since`, and in the window of time before. */
  #least = Number.POSITIVE_INFINITY;
  #leastBefore = Number.NEGATIVE_INFINITY;
  #since: number;
  #pressures: { at: number; some: number }[] = [];
  #pressedAt = Number.NEGATIVE_INFINITY;
  #changedAt: number;

  constructor(now: number) {
    this.#since = now;
    this.#changedAt = now;
  }

  changed(now: number): void {
    this.#changedAt = now;
  }

  add(
    now: number,
    range: MemoryRange,
    machine: MachineMemory,
    { bytesInUse, limitBytes }: CacheUsage,
  ): MemoryLook {
    const left = machine.availableBytes + bytesInUse;
    this.#looks = since(this.#looks, now - MEMORY_RULE.takenWindowMs);
    const takenBytes = this.#looks.reduce((most, look) => Math.max(most, look.left - left), 0);
    this.#looks.push({ at: now, left });
    if (now - this.#since >= MEMORY_RULE.roomWindowMs) {
      this.#leastBefore = this.#least;
      this.#least = Number.POSITIVE_INFINITY;
      this.#since = now;
    }
    this.#least = Math.min(this.#least, left - Math.max(0, takenBytes - memoryReserve(machine).low));
    const some = machine.pressure?.some ?? 0;
    if (some > MEMORY_RULE.lowPressure) this.#pressedAt = now;
    this.#pressures = since(this.#pressures, now - MEMORY_RULE.pressureEveryMs);
    const pressureBefore = this.#pressures[0]?.some ?? 0;
    this.#pressures.push({ at: now, some });
    return {
      range,
      machine,
      bytesInUse,
      limitBytes,
      takenBytes,
      steadyBytes: Math.min(this.#least, this.#leastBefore),
      pressureBefore,
      msSinceChange: now - this.#changedAt,
      msSincePressure: now - this.#pressedAt,
    };
  }
}

/** Those not older than a moment, and the last one before it. */
function since<Entry extends { at: number }>(entries: Entry[], moment: number): Entry[] {
  const first = entries.findIndex(({ at }) => at > moment);
  return entries.slice(first < 0 ? -1 : Math.max(0, first - 1));
}

/** What a cache holds of the system, and its limit. */
export interface CacheUsage {
  /** Pages that it emptied but did not give back count. */
  readonly bytesInUse: number;
  readonly limitBytes: number;
}

/** A cache whose limit follows the machine. What its methods throw is thrown out of a timer: nobody can catch it. */
export interface FollowingCache {
  /** Whether it is this process (and thread) that does it, of those that share the cache. Asked at each look. */
  isLeader(): boolean;
  usage(): CacheUsage;
  /** Sets the limit. It tells the limit that there is now, and what went back to the system. */
  resize(bytes: number): { readonly limitBytes: number; readonly bytesFreed: number };
}

/** What is published for each change of a limit, on the channel of `node:diagnostics_channel` {@link MEMORY_CHANNEL}. */
export interface MemoryDecision {
  readonly reason: MemoryReason;
  /** What was available before the change, and the limit of it: {@link MachineMemory}. */
  readonly availableBytes: number;
  readonly limitBytes: number;
  readonly pressure: MachineMemory["pressure"];
  /** The cache's limit before and after. */
  readonly from: number;
  readonly to: number;
  /** What went back to the system. */
  readonly bytesFreed: number;
}

export const MEMORY_CHANNEL = "zbud:memory";

const channel =
  builtin<typeof import("node:diagnostics_channel")>("node:diagnostics_channel")?.channel(MEMORY_CHANNEL);

/** What tests replace. */
export interface FollowerSystem {
  /** Milliseconds; only differences count. */
  clock(): number;
  /** Calls once, later, and keeps no process alive for it. Gives what takes it back. */
  after(ms: number, call: () => void): () => void;
  open(): { read(): MachineMemory; close(): void };
}

const SYSTEM: FollowerSystem = {
  clock: () => performance.now(),
  after: (ms, call) => {
    const timer: unknown = setTimeout(call, ms);
    (timer as { unref?: () => void }).unref?.();
    return () => clearTimeout(timer as NodeJS.Timeout);
  },
  open: () => new MemoryReader(),
};

/**
 * Looks again and again what memory there is, and resizes a cache by the rule of {@link nextLimit}. A look takes some
 * tens of microseconds; there are up to 40 a second while memory is short, and one while there is plenty. What blocks
 * the event loop blocks it too. In a browser a look throws `ENOTSUP`.
 */
export class MemoryFollower {
  readonly #range: MemoryRange;
  readonly #cache: FollowingCache;
  readonly #system: FollowerSystem;
  /** Null while another process does it. */
  #leading: { reader: ReturnType<FollowerSystem["open"]>; history: MemoryHistory } | null = null;
  #cancel: () => void;
  #isClosed = false;

  /** The first look is a moment later. Close it when the cache is closed. */
  constructor(range: MemoryRange, cache: FollowingCache, system: FollowerSystem = SYSTEM) {
    this.#range = range;
    this.#cache = cache;
    this.#system = system;
    this.#cancel = system.after(MEMORY_RULE.minLookMs, () => this.#turn());
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
    this.#rest();
  }

  #turn(): void {
    let ms: number = MEMORY_RULE.maxLookMs;
    try {
      unlessLockBusy(() => {
        if (this.#cache.isLeader()) ms = this.#look();
        else this.#rest();
      });
    } finally {
      // A look may have closed the cache.
      if (!this.#isClosed) this.#cancel = this.#system.after(ms, () => this.#turn());
    }
  }

  #rest(): void {
    this.#leading?.reader.close();
    this.#leading = null;
  }

  /** Gives the time until the next one. */
  #look(): number {
    const now = this.#system.clock();
    this.#leading ??= { reader: this.#system.open(), history: new MemoryHistory(now) };
    const { reader, history } = this.#leading;
    const machine = reader.read();
    const look = history.add(now, this.#range, machine, this.#cache.usage());
    const next = nextLimit(look);
    if (next.reason === null) return nextLookMs(look);
    const from = look.limitBytes;
    const { limitBytes: to, bytesFreed } = this.#cache.resize(next.limitBytes);
    history.changed(now);
    if (channel?.hasSubscribers === true && (to !== from || bytesFreed > 0)) {
      const { availableBytes, limitBytes, pressure } = machine;
      const decision = { reason: next.reason, availableBytes, limitBytes, pressure, from, to, bytesFreed };
      channel.publish(decision satisfies MemoryDecision);
    }
    return nextLookMs({ ...look, limitBytes: to });
  }
}
