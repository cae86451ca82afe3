/**
 * Judges what several processes read of keys that all of them write, by the one promise that a fleet of caches makes:
 *
 * **a read that began at `t` and ended at `e` may give a value only if that was the current one at some moment between
 * `t - bound` and `e`**, in some order of the writes that agrees with when they were called and when they were told.
 *
 * A write took effect at one moment between its call and when it was told; of one that nobody knows to be told, at any
 * time or never. A miss is always right: caches forget. That is known as Δ-atomicity; with values that are written once
 * it is decided by looking at when each value must have been current (its *zone*), in O(n log n):
 *
 * 1. a value that was read was written to that key, and before the read ended;
 * 2. no write, delete, deletion of its tag or clear lies wholly between the moment by which it was certainly written
 *    and a read of it, less the bound;
 * 3. no two values of a key must have been current at the same moment. This finds processes that disagree for ever on
 *    which of two concurrent writes was the later one;
 * 4. a process sees its own writes at once, whatever the bound.
 *
 * What a loader gives is no write but a copy of what was current when it began: rules 1, 2 and 4 hold for it.
 */

import { Kind, MISS, MIXED, NO_TAG, type Operation } from "./history.ts";

/** A time in which a server may have lost what it had acknowledged, as when a replica takes over. */
export interface Rollback {
  /** From the last moment on whose writes all replicas certainly had. */
  readonly from: number;
  readonly to: number;
}

export interface CheckOptions {
  readonly boundMs: number;
  readonly rollbacks?: readonly Rollback[];
  /** How many violations are described. Default 10. */
  readonly shown?: number;
}

export interface Verdict {
  readonly operations: number;
  readonly reads: number;
  readonly hits: number;
  /** Values that were read by another process than the one that set or loaded them. */
  readonly foreign: number;
  readonly violations: number;
  /** What is wrong, in words. */
  readonly shown: readonly string[];
  /** Reads of what was out of date at all, within the bound or not. */
  readonly stale: number;
  /** By how much, at most. */
  readonly staleMsMax: number;
}

/** Sorted by when they began, to find the end of the first that ends among those that begin after some time. */
class Ends {
  #begins: Float64Array = new Float64Array(0);
  #least: Float64Array = new Float64Array(0);
  #pairs: [number, number][] | null = [];

  add(begin: number, end: number): void {
    this.#pairs?.push([begin, end]);
  }

  /** The least end of those that begin after `time`; Infinity if there is none. */
  after(time: number): number {
    if (this.#pairs !== null) this.#sort(this.#pairs);
    let [low, high] = [0, this.#begins.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#begins[middle] > time) high = middle;
      else low = middle + 1;
    }
    return low < this.#least.length ? this.#least[low] : Number.POSITIVE_INFINITY;
  }

  #sort(pairs: [number, number][]): void {
    pairs.sort(([a], [b]) => a - b);
    this.#begins = Float64Array.from(pairs, ([begin]) => begin);
    this.#least = Float64Array.from(pairs, ([, end]) => end);
    for (let i = this.#least.length - 2; i >= 0; i--) {
      this.#least[i] = Math.min(this.#least[i], this.#least[i + 1]);
    }
    this.#pairs = null;
  }
}

class EndsByName {
  readonly #all: Map<number | string, Ends> = new Map();

  add(name: number | string, begin: number, end: number): void {
    let ends = this.#all.get(name);
    if (ends === undefined) {
      ends = new Ends();
      this.#all.set(name, ends);
    }
    ends.add(begin, end);
  }

  after(name: number | string, time: number): number {
    return this.#all.get(name)?.after(time) ?? Number.POSITIVE_INFINITY;
  }
}

const KIND_NAMES = Object.keys(Kind);
/** Writes that are told of with a read. */
const SHOWN_WRITES = 12;
const SHOWN_MS = 200;
const ALL = "";

/** What one process did, by when all had been told. */
function toldBy(process: number): string {
  return `told ${process}`;
}

/** What one process did, by when its own call ended. */
function doneBy(process: number): string {
  return `done ${process}`;
}

/** What ends values, by key, by tag, and all. */
class Enders {
  readonly #keys: EndsByName = new EndsByName();
  readonly #tags: EndsByName = new EndsByName();
  readonly #clears: EndsByName = new EndsByName();

  /** @param whose - what all did, or what one process did. */
  add(operation: Operation, whose: string, end: number): void {
    const { kind, key, tag, begin } = operation;
    if (kind === Kind.set || kind === Kind.delete) this.#keys.add(`${whose} ${key}`, begin, end);
    else if (kind === Kind.deleteByTag) this.#tags.add(`${whose} ${tag}`, begin, end);
    else if (kind === Kind.clear) this.#clears.add(whose, begin, end);
  }

  /** When the first write ended that began after `time` and leaves nothing of a value. */
  after({ key, tag }: Operation, time: number, whose: string): number {
    return Math.min(
      this.#keys.after(`${whose} ${key}`, time),
      this.#clears.after(whose, time),
      tag === NO_TAG ? Number.POSITIVE_INFINITY : this.#tags.after(`${whose} ${tag}`, time),
    );
  }
}

/** What is known of one value: how it was written, and when it was read. */
interface Written {
  readonly operation: Operation;
  /** When all had been told, or Infinity if that is not sure to have lasted. */
  readonly told: number;
  /** From when on it was certainly written: told, or read by somebody else. */
  settled: number;
  /** When it had ended for all, and for each process by what that did itself; once they are known. */
  end: number | null;
  readonly ownEnds: (number | undefined)[];
  /** Of the reads in each time between rollbacks: the first end, and the last begin. */
  readonly zones: Map<number, { firstEnd: number; lastBegin: number }>;
}

/** From `start` to `end` a value must have been current. */
interface Zone {
  readonly value: number;
  readonly start: number;
  readonly end: number;
}

export function checkHistory(operations: Iterable<Operation>, options: CheckOptions): Verdict {
  const checker = new Checker(options);
  const reads: Operation[] = [];
  let count = 0;
  for (const operation of operations) {
    count++;
    if (operation.kind === Kind.read) reads.push(operation);
    else checker.write(operation);
  }
  for (const read of reads) checker.note(read);
  for (const read of reads) checker.judge(read);
  checker.judgeZones();
  return { ...checker.verdict(), operations: count, reads: reads.length };
}

class Checker {
  readonly #bound: number;
  readonly #rollbacks: readonly Rollback[];
  readonly #shownMax: number;
  readonly #values: Map<number, Written> = new Map();
  /** All but reads, for words. */
  readonly #writes: Operation[] = [];
  readonly #enders: Enders = new Enders();
  readonly #shown: string[] = [];
  #violations = 0;
  #hits = 0;
  #foreign = 0;
  #stale = 0;
  #staleMax = 0;

  constructor({ boundMs, rollbacks = [], shown = 10 }: CheckOptions) {
    this.#bound = boundMs;
    this.#rollbacks = rollbacks.toSorted((a, b) => a.to - b.to);
    this.#shownMax = shown;
  }

  write(operation: Operation): void {
    const { kind, value, begin } = operation;
    this.#writes.push(operation);
    const isLost = this.#isLost(operation);
    const told = isLost ? Number.POSITIVE_INFINITY : operation.told;
    if (kind === Kind.set || kind === Kind.load) {
      if (this.#values.has(value)) throw new Error(`the history has value ${value} twice`);
      // A copy of what there was when the loader began.
      const sure = kind === Kind.load ? begin : told;
      this.#values.set(value, {
        operation,
        told: sure,
        settled: sure,
        end: null,
        ownEnds: [],
        zones: new Map(),
      });
    }
    if (kind === Kind.load) return;
    this.#enders.add(operation, ALL, told);
    this.#enders.add(operation, toldBy(operation.process), told);
    // What a server lost, whoever wrote it has no more when memory forgets it.
    this.#enders.add(operation, doneBy(operation.process), isLost ? Number.POSITIVE_INFINITY : operation.end);
  }

  /** Takes what a read says of when its value was current. */
  note(read: Operation): void {
    const written = this.#values.get(read.value);
    if (written === undefined || written.operation.key !== read.key) return;
    const { operation, told } = written;
    if (operation.kind === Kind.load) return;
    // Before all others are told, a process reads its own value from its own memory.
    if (read.process === operation.process && read.begin < told) return;
    written.settled = Math.min(written.settled, Math.max(read.end, operation.begin));
    const era = this.#eraOf(read);
    if (era === null) return;
    const zone = written.zones.get(era) ?? {
      firstEnd: Number.POSITIVE_INFINITY,
      lastBegin: Number.NEGATIVE_INFINITY,
    };
    zone.firstEnd = Math.min(zone.firstEnd, read.end);
    zone.lastBegin = Math.max(zone.lastBegin, read.begin - this.#bound);
    written.zones.set(era, zone);
  }

  /** Rules 1, 2 and 4. */
  judge(read: Operation): void {
    const { key, value, begin, end } = read;
    if (value === MISS) return;
    this.#hits++;
    const written = this.#values.get(value);
    if (value === MIXED || written === undefined) {
      this.#violated(
        read,
        value === MIXED ? "bytes of several values, or of none" : "a value that nobody set",
      );
      return;
    }
    const { operation } = written;
    if (operation.process !== read.process) this.#foreign++;
    if (operation.key !== key) this.#violated(read, `a value of key ${operation.key}`);
    else if (operation.begin > end) this.#violated(read, "a value before it was set");
    else {
      const late = begin - this.#endOf(written);
      if (late > 0) {
        this.#stale++;
        this.#staleMax = Math.max(this.#staleMax, late);
      }
      if (late > this.#bound) {
        this.#violated(read, `a value that ${late.toFixed(1)} ms before was no longer current for anybody`);
        return;
      }
      const own = this.#ownEndOf(written, read.process);
      if (own < begin)
        this.#violated(read, `a value that this process ended ${(begin - own).toFixed(1)} ms before`);
    }
  }

  /** Rule 3, and the rest of rule 2: a value that was current only while another one certainly was. */
  judgeZones(): void {
    const keys = new Map<string, { zones: Zone[]; points: Zone[] }>();
    for (const [value, written] of this.#values) {
      for (const [era, { firstEnd, lastBegin }] of written.zones) {
        const { operation } = written;
        const name = `${operation.key} ${era}`;
        const of = keys.get(name) ?? { zones: [], points: [] };
        keys.set(name, of);
        // What outlived a rollback is as if that had written it.
        const after =
          era > 0 && operation.begin < this.#rollbacks[era - 1].to ? this.#rollbacks[era - 1].to : null;
        const start = Math.min(after ?? written.told, firstEnd);
        if (start < lastBegin) of.zones.push({ value, start, end: lastBegin });
        else of.points.push({ value, start: Math.max(after ?? operation.begin, lastBegin), end: start });
      }
    }
    for (const [name, { zones, points }] of keys) {
      zones.sort((a, b) => a.start - b.start);
      let last = zones[0];
      for (const zone of zones.slice(1)) {
        if (zone.start < last.end) this.#disagree(name, last, zone);
        if (zone.end > last.end) last = zone;
      }
      for (const point of points) {
        const around = lastBefore(zones, point.start);
        if (around !== undefined && around.start < point.start && point.end < around.end) {
          this.#disagree(name, around, point);
        }
      }
    }
  }

  verdict(): Omit<Verdict, "operations" | "reads"> {
    return {
      hits: this.#hits,
      foreign: this.#foreign,
      violations: this.#violations,
      shown: this.#shown,
      stale: this.#stale,
      staleMsMax: this.#staleMax,
    };
  }

  /** When a value had certainly ended for all. The writes of one process take effect in their order. */
  #endOf(written: Written): number {
    if (written.end !== null) return written.end;
    const { operation, settled } = written;
    written.end = this.#enders.after(operation, settled, ALL);
    if (operation.kind === Kind.set) {
      const own = this.#enders.after(operation, operation.end, toldBy(operation.process));
      written.end = Math.min(written.end, own);
    }
    return written.end;
  }

  /** When a process itself had ended a value. */
  #ownEndOf({ operation, told, ownEnds }: Written, process: number): number {
    const known = ownEnds[process];
    if (known !== undefined) return known;
    const isOwn = operation.process === process && operation.kind === Kind.set;
    const end = this.#enders.after(operation, isOwn ? Math.min(told, operation.end) : told, doneBy(process));
    ownEnds[process] = end;
    return end;
  }

  /** Whether a write may have been lost after it was acknowledged. */
  #isLost({ begin, told }: Operation): boolean {
    return this.#rollbacks.some(({ from, to }) => begin <= to && told >= from);
  }

  /** How many rollbacks lie before a read; null for one that began while, or right after, there was one. */
  #eraOf({ begin, end }: Operation): number | null {
    let era = 0;
    for (const { from, to } of this.#rollbacks) {
      if (begin - this.#bound > to) era++;
      else if (end >= from) return null;
    }
    return era;
  }

  #disagree(name: string, a: Zone, b: Zone): void {
    const [key] = name.split(" ");
    const text = ({ value, start, end }: Zone): string =>
      `${value} from ${start.toFixed(1)} to ${end.toFixed(1)} (${this.#text(value)})`;
    this.#report(`key ${key}: two values must have been current at once: ${text(a)} and ${text(b)}`);
  }

  #violated(read: Operation, what: string): void {
    const { process, key, value, begin, end } = read;
    const when = `${begin.toFixed(1)} to ${end.toFixed(1)}`;
    const text = `process ${process} read of key ${key}, ${when}, ${what}: ${value} (${this.#text(value)})`;
    const isShown = this.#shown.length < this.#shownMax;
    this.#report(isShown ? [text, ...this.#between(read)].join("\n    ") : text);
  }

  /** What was done to a value that was read, between its write and the read. */
  #between({ key, value, end }: Operation): string[] {
    const written = this.#values.get(value)?.operation;
    if (written === undefined) return [];
    return this.#writes
      .filter(({ kind, key: other, tag, begin }) => {
        const isOf =
          kind === Kind.clear || other === key || (kind === Kind.deleteByTag && tag === written.tag);
        return isOf && begin <= end && begin >= written.begin - SHOWN_MS;
      })
      .toSorted((a, b) => a.begin - b.begin)
      .slice(-SHOWN_WRITES)
      .map(({ kind, process, value, begin, end, told }) => {
        const times = `${begin.toFixed(1)} to ${end.toFixed(1)}, told at ${told.toFixed(1)}`;
        return `${KIND_NAMES[kind]} ${value > 0 ? value : ""} by process ${process}, ${times}`;
      });
  }

  #text(value: number): string {
    const operation = this.#values.get(value)?.operation;
    if (operation === undefined) return "never set";
    const { process, kind, tag, begin, told } = operation;
    const verb = kind === Kind.load ? "loaded" : "set";
    const tagged = tag === NO_TAG ? "" : `, tag ${tag}`;
    return `${verb} by process ${process} at ${begin.toFixed(1)}, told at ${told.toFixed(1)}${tagged}`;
  }

  #report(what: string): void {
    this.#violations++;
    if (this.#shown.length < this.#shownMax) this.#shown.push(what);
  }
}

/** Of zones that are sorted by their starts, the last one that starts before a time. */
function lastBefore(zones: readonly Zone[], time: number): Zone | undefined {
  let [low, high] = [0, zones.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (zones[middle].start < time) low = middle + 1;
    else high = middle;
  }
  return zones[low - 1];
}
