import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const CHILD = fileURLToPath(new URL("resident-child.ts", import.meta.url));
const MIB = 2 ** 20;

describe("memUsedTotal and bytesUsed are what is resident", { skip: process.platform !== "linux" }, () => {
  for (const kind of ["store", "cache"]) {
    for (const shared of ["private", "shared"]) {
      it(`${kind}, ${shared}: empty, half full, full, churned`, () => {
        const { status, stdout, stderr } = spawnSync(
          process.execPath,
          ["--expose-gc", CHILD, kind, shared, String(64 * MIB)],
          { encoding: "utf8" },
        );
        assert.equal(status, 0, stderr);
        const { moments } = JSON.parse(stdout) as {
          moments: { moment: string; grown: number; used: number }[];
        };
        assert.deepEqual(
          moments.map(({ moment }) => moment),
          ["empty", "half full", "full", "churned"],
        );
        for (const { moment, grown, used } of moments) {
          const difference = Math.abs(used - grown);
          assert.ok(difference <= 0.1 * grown + MIB, `${moment}: ${used} bytes said, ${grown} resident`);
        }
      });
    }
  }
});
