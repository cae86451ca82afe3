import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng } from "../../src/base/index.ts";
import { checkHistory, type Rollback } from "./checker.ts";
import { History, Kind, MISS, MIXED, NO_TAG, type Operation } from "./history.ts";

const SEED = Number(process.env.ZBUD_MACHINES_SEED ?? 1);

type Given = Partial<Operation> & { kind: Kind; begin: number; end: number };

function operation(given: Given): Operation {
  return { process: 0, key: 1, value: MISS, tag: NO_TAG, told: given.end, ...given };
}

/** Set by process 0, unless it says another. */
function set(value: number, begin: number, told: number, more: Partial<Operation> = {}): Operation {
  return operation({ kind: Kind.set, value, begin, end: begin, told, ...more });
}

function load(value: number, begin: number, end: number, more: Partial<Operation> = {}): Operation {
  return operation({ kind: Kind.load, value, begin, end, ...more });
}

function remove(begin: number, told: number, more: Partial<Operation> = {}): Operation {
  return operation({ kind: Kind.delete, begin, end: begin, told, ...more });
}

/** Read by process 9, unless it says another. */
function read(value: number, begin: number, end = begin, more: Partial<Operation> = {}): Operation {
  return operation({ kind: Kind.read, value, begin, end, process: 9, ...more });
}

function check(operations: readonly Operation[], boundMs = 10, rollbacks: readonly Rollback[] = []) {
  return checkHistory(operations, { boundMs, rollbacks });
}

function isRight(operations: readonly Operation[], boundMs = 10, rollbacks: readonly Rollback[] = []): void {
  assert.deepEqual(check(operations, boundMs, rollbacks).shown, []);
}

function isWrong(
  what: RegExp,
  operations: readonly Operation[],
  boundMs = 10,
  rollbacks: readonly Rollback[] = [],
): void {
  const { shown, violations } = check(operations, boundMs, rollbacks);
  assert.equal(violations > 0, true, "nothing was found");
  assert.match(shown.join("\n"), what);
}

/** Whether some order of the writes explains all reads of one key: all orders are tried. */
function isExplained(operations: readonly Operation[], bound: number): boolean {
  const writes = operations.filter(({ kind }) => kind !== Kind.read);
  const reads = operations.filter(({ kind, value }) => kind === Kind.read && value !== MISS);
  const readsOf = (write: Operation): Operation[] =>
    write.kind === Kind.set ? reads.filter(({ value }) => value === write.value) : [];
  const search = (rest: readonly Operation[], before: Operation | null, at: number): boolean => {
    if (rest.length === 0) return true;
    return rest.some((write) => {
      const needed = before === null ? [] : readsOf(before).map(({ begin }) => begin - bound);
      const point = Math.max(at, write.begin, ...needed);
      if (point > Math.min(write.told, ...readsOf(write).map(({ end }) => end))) return false;
      return search(
        rest.filter((other) => other !== write),
        write,
        point,
      );
    });
  };
  return search(writes, null, Number.NEGATIVE_INFINITY);
}

describe("the checker of histories: right", () => {
  it("what is current, and a miss at any time", () => {
    isRight([set(1, 0, 1), read(1, 5), read(MISS, 6), read(1, 7), set(2, 8, 9), read(2, 30)]);
  });

  it("what was overwritten, within the bound", () => {
    isRight([set(1, 0, 1), set(2, 20, 21), read(1, 31), read(2, 31)]);
    const { stale, staleMsMax } = check([set(1, 0, 1), set(2, 20, 21), read(1, 31), read(2, 31)]);
    assert.deepEqual([stale, staleMsMax], [1, 10]);
  });

  it("a write nobody was told of may take effect at any time, or never", () => {
    isRight([
      set(1, 0, 1),
      set(2, 20, Number.POSITIVE_INFINITY, { process: 1 }),
      read(1, 500),
      read(2, 900),
      read(2, 999),
    ]);
    isRight([set(1, 0, 1), remove(20, Number.POSITIVE_INFINITY, { process: 1 }), read(1, 500)]);
  });

  it("concurrent writes, in either order", () => {
    isRight([set(1, 0, 5), set(2, 1, 4, { process: 1 }), read(1, 90), read(1, 99)]);
    isRight([set(1, 0, 5), set(2, 1, 4, { process: 1 }), read(2, 90), read(2, 99)]);
    isRight([set(1, 0, 5), set(2, 1, 4, { process: 1 }), read(2, 3), read(1, 90)]);
  });

  it("before it is told, its own process reads a value that the others never see", () => {
    const own = { process: 1 };
    isRight([set(1, 0, 500, own), set(2, 20, 21), read(1, 100, 100, own), read(2, 101), read(1, 999)]);
  });

  it("a load is a copy: it contradicts nobody", () => {
    isRight([set(1, 0, 1), load(2, 100, 105, { process: 1 }), read(1, 200), read(2, 200), read(1, 300)]);
    // It was told to whoever waited for it, though a set came meanwhile.
    isRight([load(1, 0, 8, { process: 1 }), set(2, 3, 4), read(1, 5, 8), read(2, 30)]);
  });

  it("what a failover undid is current again", () => {
    const rollbacks = [{ from: 90, to: 120 }];
    isRight([set(1, 0, 1), set(2, 95, 96), read(2, 97), read(1, 200), read(1, 300)], 10, rollbacks);
    isRight([set(1, 0, 1), remove(95, 96), read(1, 200)], 10, rollbacks);
    const own = { process: 0 };
    isRight([set(1, 0, 1), set(2, 95, 96), read(2, 97, 97, own), read(1, 200, 200, own)], 10, rollbacks);
  });

  it("a tag's deletion leaves values of other tags", () => {
    const gone = operation({ kind: Kind.deleteByTag, tag: 3, begin: 20, end: 20, told: 21 });
    isRight([
      set(1, 0, 1, { tag: 4 }),
      set(2, 0, 1, { key: 2 }),
      gone,
      read(1, 99),
      read(2, 99, 99, { key: 2 }),
    ]);
    isRight([gone, set(1, 22, 23, { tag: 3 }), read(1, 99)]);
  });
});

describe("the checker of histories: wrong", () => {
  it("a value that nobody set, of another key, of two, or of later", () => {
    isWrong(/nobody set/, [set(1, 0, 1), read(2, 5)]);
    isWrong(/of key 1/, [set(1, 0, 1), read(1, 5, 5, { key: 2 })]);
    isWrong(/bytes of several/, [set(1, 0, 1), read(MIXED, 5)]);
    isWrong(/before it was set/, [set(1, 10, 11), read(1, 5)]);
  });

  it("what was overwritten or deleted for longer than the bound", () => {
    isWrong(/11\.0 ms before was no longer/, [set(1, 0, 1), set(2, 20, 21), read(1, 32)]);
    isWrong(/no longer/, [set(1, 0, 1), remove(20, 21), read(1, 32)]);
    isWrong(/no longer/, [
      set(1, 0, 1),
      operation({ kind: Kind.clear, begin: 20, end: 20, told: 21 }),
      read(1, 32),
    ]);
    const tag = operation({ kind: Kind.deleteByTag, tag: 3, begin: 20, end: 20, told: 21 });
    isWrong(/no longer/, [set(1, 0, 1, { tag: 3 }), tag, read(1, 32)]);
  });

  it("it had been read, so it was written before the delete, whoever was told of it", () => {
    isWrong(/no longer/, [set(1, 0, 500), read(1, 5), remove(20, 21, { process: 1 }), read(1, 32)]);
  });

  it("the writes of one process take effect in their order", () => {
    isWrong(/no longer/, [set(1, 0, 30), set(2, 20, 31), read(1, 50)]);
  });

  it("two processes that never agree on which of two writes was the later", () => {
    const writes = [set(1, 0, 5), set(2, 1, 4, { process: 1 })];
    const ends = [read(1, 90), read(2, 91, 91, { process: 8 }), read(1, 98), read(2, 99, 99, { process: 8 })];
    isWrong(/current at once/, [...writes, ...ends]);
  });

  it("a value that comes back", () => {
    isWrong(/current at once/, [
      set(1, 0, 50),
      set(2, 1, 49, { process: 1 }),
      read(1, 60),
      read(2, 80),
      read(1, 99),
    ]);
  });

  it("its own writes are seen at once", () => {
    isWrong(/this process ended/, [set(1, 0, 1), set(2, 5, 6), read(1, 7, 7, { process: 0 })]);
    isWrong(/this process ended/, [set(1, 0, 9), set(2, 5, 9), read(1, 7, 7, { process: 0 })]);
    isWrong(/this process ended/, [
      set(1, 0, 1),
      remove(5, Number.POSITIVE_INFINITY),
      read(1, 7, 7, { process: 0 }),
    ]);
  });

  it("a load that a delete should have broken", () => {
    isWrong(/no longer/, [load(1, 0, 8, { process: 1 }), remove(3, 4), read(1, 20)]);
  });

  it("what a failover cannot have undone, and what comes back later than that", () => {
    const rollbacks = [{ from: 90, to: 120 }];
    isWrong(/no longer/, [set(1, 0, 1), set(2, 50, 51), read(1, 200)], 10, rollbacks);
    const both = [set(1, 0, 1), set(2, 95, 96), read(1, 200), read(2, 201), read(1, 230), read(2, 231)];
    isWrong(/current at once/, both, 10, rollbacks);
    isWrong(/no longer/, [set(1, 0, 1), set(2, 125, 126), read(1, 200)], 10, rollbacks);
    isWrong(
      /this process ended/,
      [set(1, 0, 1), set(2, 125, 300), read(1, 130, 130, { process: 0 })],
      10,
      rollbacks,
    );
  });
});

describe("the checker of histories: at random", () => {
  it(`says what trying all orders says, from seed ${SEED}`, () => {
    const prng = new Prng(SEED);
    const counts = { right: 0, wrong: 0 };
    for (let round = 0; round < 20_000; round++) {
      const writes = prng.between(1, 5);
      const reads = prng.between(1, 5);
      // No two moments are the same.
      const moments = Array.from({ length: 2 * (writes + reads) }, (_, i) => i);
      const pair = (): [number, number] => {
        const [at] = moments.splice(prng.below(moments.length), 1);
        const [to] = moments.splice(prng.below(Math.min(moments.length, 6)), 1);
        return at < to ? [at, to] : [to, at];
      };
      const operations: Operation[] = [];
      for (let i = 0; i < writes; i++) {
        const [begin, told] = pair();
        const more = { process: i };
        operations.push(prng.chance(0.75) ? set(i + 1, begin, told, more) : remove(begin, told, more));
      }
      for (let i = 0; i < reads; i++) {
        const [begin, end] = pair();
        const sets = operations.filter(({ kind }) => kind === Kind.set);
        if (sets.length > 0)
          operations.push(read(sets[prng.below(sets.length)].value, begin, end, { process: 99 }));
      }
      const bound = prng.below(4) + 0.25;
      const expected = isExplained(operations, bound);
      counts[expected ? "right" : "wrong"]++;
      const { violations, shown } = checkHistory(operations, { boundMs: bound });
      assert.equal(violations === 0, expected, `${JSON.stringify(operations)} ${bound} ${shown.join("\n")}`);
    }
    assert.ok(counts.right > 3000 && counts.wrong > 3000, JSON.stringify(counts));
  });

  it("a million operations", () => {
    const prng = new Prng(SEED);
    const histories = [0, 1, 2, 3].map((process) => new History(process));
    const current: number[] = new Array(500).fill(MISS);
    let value = 0;
    for (let time = 1; time <= 1_000_000; time++) {
      const history = histories[prng.below(4)];
      const key = prng.below(current.length);
      if (prng.chance(0.9))
        history.gave(history.begin(Kind.read, key, MISS, NO_TAG, time), current[key], time + 0.5);
      else {
        current[key] = ++value;
        const row = history.begin(Kind.set, key, value, NO_TAG, time);
        history.end(row, time + 0.2);
        history.told(row, time + 0.5);
      }
    }
    const copies = histories.map((history) => History.of(history.process, history.bytes()));
    const all = function* (): Generator<Operation> {
      for (const copy of copies) yield* copy;
    };
    const verdict = checkHistory(all(), { boundMs: 1 });
    assert.deepEqual(verdict.shown, []);
    assert.equal(verdict.operations, 1_000_000);
    assert.ok(verdict.hits > 800_000 && verdict.foreign > 600_000 && verdict.stale === 0);
  });
});
