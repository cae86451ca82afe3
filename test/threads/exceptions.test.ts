/** What can go wrong inside a critical section without anybody dying. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import type { Handle } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import type { Pool } from "../../src/pool/index.ts";
import { finishPool } from "./expected-objects.ts";
import { instrument } from "./instrument.ts";
import { DRIVERS, type DriverName, makeShared } from "./pools.ts";

const FRAMES = 6;

describe("a living thread", () => {
  for (const driver of Object.keys(DRIVERS) as DriverName[]) {
    it(
      `whose stack overflows in any call leaves the pool whole, and unlocked: ${driver}`,
      {
        timeout: 60_000,
      },
      () => overflowEverywhere(driver),
    );
  }

  const isLinux = process.platform === "linux";
  it("is not taken for a dead one by a process that can open no file", { skip: !isLinux }, async () => {
    const folder = temporaryFolder("exceptions");
    const { module } = await instrument(folder);
    const child = join(import.meta.dirname, "exceptions-child.ts");
    const command = `ulimit -n 128 && exec "$0" "$@"`;
    const { stdout, stderr } = spawnSync("sh", ["-c", command, process.execPath, child, module], {
      encoding: "utf8",
    });
    const { waitedMs, holdMs } = JSON.parse(stdout || stderr) as { waitedMs: number; holdMs: number };
    assert.ok(
      waitedMs > holdMs / 2,
      `it came in after ${waitedMs} ms; the holder lives and takes ${holdMs} ms`,
    );
  });
});

/** Runs out of stack in calls of a pool, each time in another function. */
function overflowEverywhere(driver: DriverName): void {
  const onEvict = (handle: Handle, pool: Pool): boolean => {
    pool.free(handle);
    return true;
  };
  const pool = makeShared(driver, { maxPages: 64, pageSize: driver === "log" ? 512 : 256, onEvict });
  const calls = [
    () => pool.alloc(100),
    () => {
      const handle = pool.alloc(20);
      if (typeof handle === "number") pool.free(handle);
    },
    () => pool.reclaimPage(1),
    () => pool.compact(4),
    () => verify(pool),
    () => pool.recover(),
  ];
  let overflows = 0;
  for (const call of calls) {
    const deep = (): void => {
      call();
      deep();
    };
    // Some frames more or less, so that the stack ends in another function each time.
    const shifted = (frames: number): void => (frames > 0 ? shifted(frames - 1) : deep());
    for (let frames = 0; frames < FRAMES; frames++) {
      assert.throws(() => shifted(frames), RangeError);
      overflows++;
      const start = performance.now();
      verify(pool);
      assert.ok(performance.now() - start < 5000, "the lock is free");
    }
  }
  assert.equal(overflows, FRAMES * calls.length);
  finishPool(pool);
}
