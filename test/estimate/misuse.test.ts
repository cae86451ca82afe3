import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { type EstimateInput, estimate } from "../../src/estimate/index.ts";
import { noise } from "./noisy-data.ts";

const FAST = { codecs: ["lz4"], units: [4096] };

describe("input that is none", () => {
  const ROWS: [string, unknown, RegExp][] = [
    ["null", null, /an input is an object .*not null/],
    ["a string", "data.json", /an input is an object .*not "data.json"/],
    ["bytes of text", { bytes: "abc" }, /bytes must be a Uint8Array, not "abc"/],
    ["bytes of two", { bytes: new Uint16Array(100) }, /bytes must be a Uint8Array, not Uint16Array/],
    ["a stream that is a number", { stream: 5 }, /stream must be an async iterable.*not 5/],
    ["a stream that is null", { stream: null }, /stream must be an async iterable.*not null/],
    [
      "a stream of text",
      { stream: Readable.from(["abc"]) },
      /gave "abc" instead of bytes.*without an encoding/,
    ],
    ["paths as one string", { paths: "xy" }, /paths must be an array of strings, not "xy"/],
    ["a path that is a number", { paths: [5] }, /a path must be a string.*not 5/],
    ["half a pid", { pid: 1.5 }, /pid must be a whole number.*not 1.5/],
    ["a label that is a number", { bytes: noise(10, 1), label: 5 }, /label must be a string, not 5/],
  ];
  for (const [name, input, message] of ROWS) {
    it(`${name} is refused`, async () => {
      await assert.rejects(estimate(input as EstimateInput, FAST), {
        name: "ZbudError",
        code: "EINVAL",
        message,
      });
    });
  }

  it("a stream that was given an encoding", async () => {
    const stream = Readable.from([noise(5000, 1)], { objectMode: false }).setEncoding("latin1");
    await assert.rejects(estimate({ stream: stream as AsyncIterable<Uint8Array> }, FAST), { code: "EINVAL" });
  });

  it("sizes are text as well", async () => {
    const input = { bytes: noise(40_000, 1) };
    const text = await estimate(input, {
      codecs: ["lz4"],
      units: ["4KiB", 4096, "16k"],
      sampleBytes: "20000",
    });
    const numbers = await estimate(input, { codecs: ["lz4"], units: [4096, 16_384], sampleBytes: 20_000 });
    assert.deepEqual(
      text.units.map(({ unit }) => unit),
      [4096, 16_384],
    );
    assert.deepEqual(text.sample, numbers.sample);
  });

  for (const size of ["20%", "4 chunks", "3k", ""]) {
    it(`${JSON.stringify(size)} is no unit, nor a sample`, async () => {
      const input = { bytes: noise(40_000, 1) };
      await assert.rejects(estimate(input, { units: [size] }), { code: "EINVAL", message: /a unit must be/ });
      const sampled = estimate(input, { ...FAST, sampleBytes: size });
      await assert.rejects(sampled, { code: "EINVAL", message: /the sample .* must be/ });
    });
  }

  it("options that are null", async () => {
    await assert.rejects(estimate({ bytes: noise(10, 1) }, null as unknown as object), {
      code: "EINVAL",
      message: /options of an estimate must be an object/,
    });
  });
});

describe("a signal", () => {
  it("that was aborted before stops even the smallest estimate", async () => {
    const reason = new Error("never mind");
    await assert.rejects(
      estimate({ bytes: noise(4096, 1) }, { ...FAST, signal: AbortSignal.abort(reason) }),
      reason,
    );
  });

  it("ends the wait for a stream that gives nothing", { timeout: 20_000 }, async () => {
    const controller = new AbortController();
    const stream = new Readable({ read() {} });
    stream.push(noise(100, 1));
    const reason = new Error("enough");
    const estimating = estimate({ stream }, { ...FAST, signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await assert.rejects(estimating, reason);
    assert.equal(stream.destroyed, true);
  });

  it("of an iterator that never returns, too", { timeout: 20_000 }, async () => {
    const never: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
    };
    const reason = new Error("enough");
    const controller = new AbortController();
    const estimating = estimate({ stream: never }, { ...FAST, signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await assert.rejects(estimating, reason);
  });
});
