import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../scripts/tools.ts";

const CHILD = fileURLToPath(new URL("./full-disk-child.ts", import.meta.url));
/** What the file system, or the file, can hold; the store may grow to four times as much. */
const KIB = 1024;

function runChild(command: string, args: readonly string[], env: Record<string, string>): void {
  const result = spawnSync(command, args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
    timeout: 120_000,
  });
  assert.equal(result.status, 0, `${result.stdout}${result.stderr}`);
  assert.match(result.stdout, /all is well/);
}

describe("a file system that is really full", () => {
  it("a store on it: typed outcomes, no wrong bytes, and it goes on when there is room", (t) => {
    const folder = temporaryFolder("full");
    const node = [process.execPath, "--disable-warning=ExperimentalWarning", CHILD];
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${KIB}k`, "tmpfs", folder]);
    try {
      if (mounted.status === 0) {
        t.diagnostic(`on a tmpfs of ${KIB} KiB`);
        runChild(node[0], node.slice(1), { STORE: join(folder, "store"), GROW: folder });
      } else {
        // A limit on the length of files, as ulimit sets it, with its signal ignored: a write fails with EFBIG.
        t.diagnostic(
          `no tmpfs can be mounted here; with a limit of ${KIB} KiB on the length of files instead`,
        );
        const limited = `trap '' XFSZ; ulimit -S -f ${KIB}; exec "$@"`;
        runChild("bash", ["-c", limited, "bash", ...node], { STORE: join(folder, "store"), GROW: "" });
      }
    } finally {
      if (mounted.status === 0) spawnSync("umount", [folder]);
    }
  });
});
