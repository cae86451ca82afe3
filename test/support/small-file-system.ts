import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * A file system of its own for a test, to be disposed of.
 *
 * @param options - as `mount -o` takes them: `size=1m`.
 * @param type - `tmpfs` or another one in memory.
 */
export class SmallFileSystem {
  readonly folder: string = mkdtempSync(join(tmpdir(), "zbud-mount-"));

  constructor(options: string, type = "tmpfs") {
    const { status, stderr } = spawnSync("mount", ["-t", type, "-o", options, type, this.folder], {
      encoding: "utf8",
    });
    assert.equal(status, 0, `this test needs root and leave to mount a ${type} (CAP_SYS_ADMIN): ${stderr}`);
  }

  remount(options: string): void {
    const { status, stderr } = spawnSync("mount", ["-o", `remount,${options}`, this.folder], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
  }

  [Symbol.dispose](): void {
    // What a process still has mapped keeps it busy; it goes with that.
    spawnSync("umount", ["--lazy", this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
