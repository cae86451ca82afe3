/** What a pool costs: resident memory, memory given back, and the JavaScript heap. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { CAN_GIVE_BACK } from "../../support/can-give-back.ts";

const MIB = 2 ** 20;
const CHILD = fileURLToPath(new URL("child.ts", import.meta.url));

/** A young generation so large that nothing is collected while a measurement runs. */
const FLAGS = [
  "--disable-warning=ExperimentalWarning",
  "--expose-gc",
  "--min-semi-space-size=128",
  "--max-semi-space-size=128",
];

/** Runs one measurement in a process of its own, and prints it. */
function measure(...args: string[]): Record<string, number> {
  const line = execFileSync(process.execPath, [...FLAGS, CHILD, ...args], { encoding: "utf8" });
  const result = JSON.parse(line) as Record<string, number>;
  const shown = Object.entries(result).map(([name, value]) =>
    name === "intact" ? `${name} ${value}` : `${name} ${Math.round(value / 1024)} KiB`,
  );
  console.log(`${args.join(" ")}: ${shown.join(", ")}`);
  return result;
}

describe("memory", () => {
  for (const sharing of ["private", "shared"]) {
    it(`a pool for 8 GiB costs only what is stored (${sharing})`, () => {
      const { emptyBytes, oneObjectBytes } = measure("empty", sharing);
      assert.ok(emptyBytes < 4 * MIB, `${emptyBytes} bytes for an empty pool`);
      assert.ok(oneObjectBytes < 8 * MIB, `${oneObjectBytes} bytes with one object`);
    });
  }

  it("trim gives memory back to the system", () => {
    const { fullBytes, givenHalf, halfBytes, givenAll, emptyBytes, intact } = measure("trim", "private");
    assert.ok(fullBytes > 120 * MIB, "128 MiB were filled");
    assert.ok(givenHalf > 60 * MIB, "half of them was at the end");
    assert.ok(halfBytes < 80 * MIB, `${halfBytes} bytes are left of half`);
    assert.equal(intact, 1, "what was not freed is as it was");
    assert.ok(givenAll > 60 * MIB);
    assert.ok(emptyBytes < 16 * MIB, `${emptyBytes} bytes are left of nothing`);
  });

  it("pages that nobody touched cost little, even while they are trimmed or closed", () => {
    const { takenBytes, trimmedBytes, closedBytes } = measure("untouched", String(2 ** 18));
    assert.ok(takenBytes < 48 * MIB, `${takenBytes} bytes for 1 GiB that was taken and not touched`);
    assert.ok(trimmedBytes < 192 * MIB, `${trimmedBytes} bytes when it was trimmed`);
    assert.ok(closedBytes < 192 * MIB, `${closedBytes} bytes when it was closed`);
  });

  it("trim of a shared pool gives back what lies anywhere, where the system can be reached", () => {
    const { givenHalf, halfBytes, givenAll, emptyBytes, intact } = measure("trim", "shared");
    assert.equal(givenHalf, CAN_GIVE_BACK ? 64 * MIB : 0);
    assert.equal(givenAll, givenHalf);
    assert.equal(intact, 1);
    if (!CAN_GIVE_BACK) return;
    assert.ok(halfBytes < 80 * MIB, `${halfBytes} bytes are left of half`);
    assert.ok(emptyBytes < 16 * MIB, `${emptyBytes} bytes are left of nothing`);
  });

  // A handle that the engine cannot keep as a small integer is a heap number of 16 bytes when a call that
  // was not inlined hands it on. It is the only thing that is ever allocated, and only in large pools.
  // For each two operations alloc hands on one handle; for each two of reclaim it is one that alloc gives, and
  // one that the handler is given.
  for (const [kind, handles] of [
    ["alloc", 1],
    ["reclaim", 2],
  ] as const) {
    for (const [maxPages, bytesEachHandle] of [
      [2000, 0],
      [2 ** 21, 16],
    ]) {
      it(`a million operations of ${kind} make no JavaScript object (maxPages ${maxPages})`, () => {
        const most = 64 * 1024 + 500_000 * handles * bytesEachHandle;
        // Which calls the engine inlines differs from process to process; where free is not, a large handle is
        // handed on once more. What the pool itself makes is what the best of some processes shows.
        let grownBytes = Number.POSITIVE_INFINITY;
        for (let tries = 0; tries < 6 && grownBytes >= most; tries++) {
          grownBytes = Math.min(grownBytes, measure("heap", kind, String(maxPages)).grownBytes);
        }
        assert.ok(grownBytes < most, `the heap grew by ${grownBytes} bytes`);
      });
    }
  }
});
