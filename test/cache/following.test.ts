import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MemoryGroup } from "../support/cgroup.ts";

const MIB = 2 ** 20;
/** How often it must live: `ZBUD_FOLLOWING_RUNS=20 npm run test:unit -- cache/following`. */
const RUNS = Number(process.env.ZBUD_FOLLOWING_RUNS ?? 2);

describe("a program that takes 160 MiB more in a memory group of 256 MiB, beside a cache of up to 200 MiB", () => {
  const group = new MemoryGroup(256 * MIB);
  const child = fileURLToPath(new URL("following-child.ts", import.meta.url));
  after(() => group.remove());

  for (const [how, args] of [
    ["its own", []],
    ["one that processes share", [`/dev/shm/zbud-following-${process.pid}`]],
  ] as const) {
    it(`lives, if the cache, ${how}, follows the machine`, () => lives([child, "follow", ...args]));
  }

  async function lives(args: string[]): Promise<void> {
    after(() => rmSync(args[2] ?? "", { force: true }));
    for (let run = 0; run < RUNS; run++) {
      // What the run before left has the limit that it was lowered to.
      rmSync(args[2] ?? "", { force: true });
      const { code, stdout, stderr, isKilledForMemory } = await group.run(args);
      assert.deepEqual([code, isKilledForMemory], [0, false], stderr);
      const [, filled, left] = /^filled (\d+)\nalive (\d+)\n$/.exec(stdout) ?? [];
      assert.ok(Number(filled) > 60, `the cache was large: ${stdout}`);
      assert.ok(Number(left) < Number(filled), stdout);
    }
  }

  it("is killed, if it does not", async () => {
    const { signal, stdout, isKilledForMemory } = await group.run([child]);
    assert.deepEqual([signal, isKilledForMemory], ["SIGKILL", true]);
    assert.doesNotMatch(stdout, /alive/);
  });
});
