/** The package koffi does what node:ffi does, in a Node that has none. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { QUIET_FLAG, ROOT } from "../../scripts/tools.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { oneFile } from "../support/one-file.ts";
import { SharedFolder } from "./segments.ts";

interface Said {
  through: string;
  found?: string;
  bytesFreed: number;
}

describe("a Node without node:ffi", () => {
  it("uses koffi, if it is installed, and shares memory with those that have node:ffi", async () => {
    const program = fileURLToPath(await oneFile(join(import.meta.dirname, "koffi-child.ts")));
    using folder = new SharedFolder();
    const path = folder.file("koffi");
    const run = (...args: string[]): ReturnType<typeof spawnSync> & { stdout: string; stderr: string } =>
      spawnSync(process.execPath, [QUIET_FLAG, program, path, ...args], { encoding: "utf8" });
    const said = (...args: string[]): Said => {
      const { status, stdout, stderr } = run(...args);
      assert.equal(status, 0, stderr);
      return JSON.parse(stdout) as Said;
    };

    const { status, stderr } = run("hide-ffi");
    assert.equal(status, 1);
    assert.match(
      stderr,
      /needs node:ffi, which Node has from 26\.10, or the package koffi: npm install koffi/,
    );

    const modules = join(dirname(program), "node_modules");
    mkdirSync(modules);
    symlinkSync(join(ROOT, "extras/node_modules/koffi"), join(modules, "koffi"));
    const platform = join(ROOT, "extras/node_modules/@koromix");
    symlinkSync(platform, join(modules, "@koromix"));
    const first = said("hide-ffi");
    assert.deepEqual([first.through, first.found], ["koffi", undefined]);
    assert.ok(first.bytesFreed > 2 ** 20, `${first.bytesFreed} went back`);
    assert.equal(said().found, "koffi");
    assert.equal(said("hide-ffi").found, "node:ffi");
    // One that dies within sight of the other kind has left.
    assert.equal(run("hide-ffi", "die").signal, "SIGKILL");
    const cache = new CompressedCache<string>({ maxBytes: "8MiB", shared: path });
    assert.equal(cache.get("from"), "koffi");
    cache.close();
    rmSync(modules, { recursive: true });
  });
});
