import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseSpans, Reservoir, type SpanChoice, spansPerBatch } from "../../src/estimate/sampling.ts";

const CHOICE: SpanChoice = { total: 1000, wanted: 100, seed: 1, spanBytes: 4096, batch: 0, batches: 1 };

function spansOf(choice: Partial<SpanChoice>): number[] {
  return [...chooseSpans({ ...CHOICE, ...choice })].flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, i) => first + i),
  );
}

describe("sampling of known length", () => {
  it("takes as many spans as wanted, in order, one from each stretch", () => {
    for (const [total, wanted] of [
      [1000, 100],
      [1001, 1000],
      [7, 3],
      [1_000_003, 4096],
      [5, 1],
    ]) {
      const spans = spansOf({ total, wanted });
      assert.equal(spans.length, wanted);
      spans.forEach((span, i) => {
        assert.ok(span >= Math.floor((i * total) / wanted), `${span} of stretch ${i}`);
        assert.ok(span < Math.floor(((i + 1) * total) / wanted), `${span} of stretch ${i}`);
      });
    }
  });

  it("takes all when as many are wanted as there are", () => {
    assert.deepEqual([...chooseSpans({ ...CHOICE, wanted: 1000 })], [{ first: 0, count: 1000 }]);
    assert.deepEqual([...chooseSpans({ ...CHOICE, wanted: 5000 })], [{ first: 0, count: 1000 }]);
  });

  it("chooses the same with the same seed, and otherwise with another", () => {
    assert.deepEqual(spansOf({ seed: 7 }), spansOf({ seed: 7 }));
    assert.notDeepEqual(spansOf({ seed: 7 }), spansOf({ seed: 8 }));
  });

  it("every span can be chosen: over many seeds all are, about equally often", () => {
    const hits = new Uint32Array(100);
    for (let seed = 1; seed <= 2000; seed++) {
      for (const span of spansOf({ total: 100, wanted: 20, seed: seed * 7919 })) hits[span] += 1;
    }
    // 2000 runs, a fifth of the spans each: 400 expected, standard deviation 18.
    for (const count of hits) assert.ok(count > 300 && count < 500, `${count} hits`);
  });

  it("the batches together hold every chosen span once, none more than it has room for", () => {
    for (const [total, wanted] of [
      [10_000, 10_000],
      [10_000, 3000],
      [3, 3],
      [513, 513],
    ]) {
      for (const batches of [1, 2, 7]) {
        const each = Array.from({ length: batches }, (_, batch) =>
          spansOf({ total, wanted, batch, batches }),
        );
        const room = spansPerBatch(total, wanted, 4096, batches);
        for (const spans of each) assert.ok(spans.length <= room, `${spans.length} > ${room}`);
        const all = each.flat().sort((a, b) => a - b);
        assert.deepEqual(all, spansOf({ total, wanted }));
      }
    }
  });
});

describe("sampling of a stream", () => {
  it("keeps the first spans, then replaces some", () => {
    const reservoir = new Reservoir(10, 1);
    assert.deepEqual(
      Array.from({ length: 10 }, () => reservoir.next()),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    const later = Array.from({ length: 10_000 }, () => reservoir.next());
    assert.ok(later.every((slot) => slot >= -1 && slot < 10));
    assert.ok(later.includes(-1) && later.some((slot) => slot >= 0));
  });

  it("every span of a stream is kept with the same probability", () => {
    const kept = new Uint32Array(50);
    for (let seed = 1; seed <= 2000; seed++) {
      const reservoir = new Reservoir(10, seed * 7919);
      const slots = new Int32Array(10);
      for (let span = 0; span < 50; span++) {
        const slot = reservoir.next();
        if (slot >= 0) slots[slot] = span;
      }
      for (const span of slots) kept[span] += 1;
    }
    for (const count of kept) assert.ok(count > 300 && count < 500, `${count} times kept`);
  });
});
