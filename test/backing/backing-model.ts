import assert from "node:assert/strict";
import type { Backing, StoredEntry, WriteOutcome } from "../../src/backing/index.ts";
import { Prng, ZbudError } from "../../src/base/index.ts";
import { checkRecordOf, keyOf, recordOf, someLength } from "./records.ts";

interface Known {
  /** Version of the last call that changed the key: a write or a delete. Nothing older may be read. */
  floor: number;
  /** The version that must be read, if nothing comes between; 0: nothing may be; null: under way, or lost. */
  certain: number | null;
  /** A read missed it while its write was under way: then that does not end well. */
  isMissed?: boolean;
}

export interface ModelOptions {
  readonly seed: number;
  readonly keys: number;
  readonly maxLength: number;
  /** Whether a record may vanish by itself: dropped, damaged on purpose, lost with a fault. */
  readonly mayLose?: boolean;
  /** Whether a read finds what is under way. */
  readonly findsUnderWay?: boolean;
  /** Codes that calls may fail with, besides refusals. */
  readonly faults?: readonly string[];
}

/** What a run saw. */
export interface ModelCounts {
  readonly outcomes: Record<string, number>;
  hits: number;
  misses: number;
  failedReads: number;
}

/**
 * Random calls on a backing store, many under way at a time, against what each key may have:
 * nothing older than the last call that changed it, and never bytes that were not written.
 */
export class BackingModel {
  readonly counts: ModelCounts = { outcomes: {}, hits: 0, misses: 0, failedReads: 0 };
  readonly #backing: Backing;
  readonly #options: ModelOptions;
  readonly #prng: Prng;
  readonly #known: Known[];
  readonly #underWay: Set<Promise<void>> = new Set();
  #version = 0;

  constructor(backing: Backing, options: ModelOptions) {
    this.#backing = backing;
    this.#options = options;
    this.#prng = new Prng(options.seed);
    this.#known = Array.from({ length: options.keys }, () => ({ floor: 0, certain: 0 }));
  }

  /** One random call; it may still be under way when this returns. */
  step(): void {
    const prng = this.#prng;
    const dice = prng.below(100);
    if (dice < 40) this.#write(prng.chance(0.2) ? prng.between(2, 20) : 1);
    else if (dice < 50) this.#writeSync();
    else if (dice < 62) this.delete(prng.below(this.#options.keys));
    else if (dice < 90) this.#follow(this.#read(prng.below(this.#options.keys)));
    else this.#readSync(prng.below(this.#options.keys));
  }

  /** All that is under way has ended, and what has failed has thrown. */
  async settle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Reads every key. Nothing else is under way. */
  async checkAll(): Promise<void> {
    await this.settle();
    for (let number = 0; number < this.#options.keys; number++) await this.#read(number);
  }

  delete(number: number): void {
    this.#backing.delete(keyOf(number));
    this.#known[number] = { floor: ++this.#version, certain: 0 };
  }

  async clear(): Promise<void> {
    const clearing = this.#backing.clear();
    const floor = ++this.#version;
    for (const number of this.#known.keys()) this.#known[number] = { floor, certain: 0 };
    await clearing;
  }

  #follow(work: Promise<void>): void {
    this.#underWay.add(work);
    work.then(
      () => this.#underWay.delete(work),
      () => undefined,
    );
  }

  #someRecord(): { number: number; record: StoredEntry } {
    const number = this.#prng.below(this.#options.keys);
    const record = recordOf(number, ++this.#version, someLength(this.#prng, this.#options.maxLength));
    this.#known[number] = { floor: this.#version, certain: null };
    return { number, record };
  }

  #write(count: number): void {
    const some = Array.from({ length: count }, () => this.#someRecord());
    const writing = this.#backing.write(some.map(({ record }) => record));
    // The caller may use its memory again at once.
    for (const { record } of some) record.bytes.fill(0xee);
    this.#follow(
      writing.then((outcomes) => {
        assert.equal(outcomes.length, count);
        for (const [index, { number, record }] of some.entries()) {
          this.#outcome(number, record.stamp, outcomes[index]);
        }
      }),
    );
  }

  #writeSync(): void {
    const { number, record } = this.#someRecord();
    if (!this.#backing.isSync) {
      assert.throws(() => this.#backing.writeSync(record), { code: "ENOTSUP" });
      this.#known[number].floor = this.#version;
      this.delete(number);
      return;
    }
    const outcome = this.#backing.writeSync(record);
    assert.notEqual(outcome, "ECANCELED");
    this.#outcome(number, record.stamp, outcome);
  }

  #outcome(number: number, version: number, outcome: WriteOutcome): void {
    const name = typeof outcome === "string" ? outcome : outcome.code;
    this.counts.outcomes[name] = (this.counts.outcomes[name] ?? 0) + 1;
    if (typeof outcome !== "string") this.#expectFault(outcome);
    const known = this.#known[number];
    if (outcome === "ECANCELED") assert.ok(known.floor > version, "nothing came after what was cancelled");
    if (known.floor !== version) return;
    known.certain = outcome === "ok" ? version : 0;
    if (outcome === "ok" && this.#options.findsUnderWay === true)
      assert.ok(known.isMissed !== true, `key ${number} was a miss while it was being written`);
  }

  #expectFault(error: unknown): void {
    if (!(error instanceof ZbudError)) throw error;
    if (!(this.#options.faults ?? []).includes(error.code)) throw error;
  }

  async #read(number: number): Promise<void> {
    const before = { ...this.#known[number] };
    let record: StoredEntry | null;
    try {
      record = await this.#backing.read(keyOf(number));
    } catch (error) {
      this.#expectFault(error);
      this.counts.failedReads++;
      return;
    }
    this.#judge(number, before, record);
  }

  #readSync(number: number): void {
    if (!this.#backing.isSync) {
      assert.throws(() => this.#backing.readSync(keyOf(number)), { code: "ENOTSUP" });
      return;
    }
    const before = { ...this.#known[number] };
    let record: StoredEntry | null;
    try {
      record = this.#backing.readSync(keyOf(number));
    } catch (error) {
      this.#expectFault(error);
      this.counts.failedReads++;
      return;
    }
    this.#judge(number, before, record);
  }

  #judge(number: number, before: Known, record: StoredEntry | null): void {
    const now = this.#known[number];
    const isQuiet = now.floor === before.floor && before.certain !== null;
    if (record === null) {
      this.counts.misses++;
      if (now.floor === before.floor) now.isMissed = true;
      if (isQuiet && this.#options.mayLose !== true)
        assert.equal(before.certain, 0, `key ${number} is there`);
      return;
    }
    this.counts.hits++;
    const version = checkRecordOf(number, record);
    assert.ok(version >= before.floor, `key ${number}: version ${version} came back, after ${before.floor}`);
    if (isQuiet) assert.equal(version, before.certain, `key ${number}`);
  }
}
