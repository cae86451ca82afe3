/** What the library takes from the platform, and what it does where that is missing. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { builtin, checkNode, isSharedBuffer, sharedBuffer } from "../../src/base/index.ts";

const BASE = new URL("../../src/base/index.ts", import.meta.url).href;
const DIAGNOSTICS = new URL("../../src/diagnostics/index.ts", import.meta.url).href;
const DRIVERS = new URL("../../src/drivers/index.ts", import.meta.url).href;
const FACTS = new URL("../support/is-code.ts", import.meta.url).href;

/** Runs a program where the name `SharedArrayBuffer` does not exist, as in a page that is not isolated. */
function withoutSharedMemory(program: string): void {
  runWithout("globalThis.SharedArrayBuffer", program);
}

/** Runs a program where something global does not exist. */
function runWithout(missing: string, program: string): void {
  const text = `
    import assert from "node:assert/strict";
    delete ${missing};
    const { ZbudPool, zbudDriver } = await import(${JSON.stringify(DRIVERS)});
    const { verify } = await import(${JSON.stringify(DIAGNOSTICS)});
    const { fallbacks } = await import(${JSON.stringify(BASE)});
    const { isCode } = await import(${JSON.stringify(FACTS)});
    ${program}`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", text],
    { encoding: "utf8", cwd: fileURLToPath(new URL(".", import.meta.url)) },
  );
  assert.equal(status, 0, stderr);
}

describe("the platform", () => {
  it("has Node's modules in Node, and no others", () => {
    assert.equal(typeof builtin<typeof import("node:zlib")>("node:zlib")?.deflateRawSync, "function");
    assert.equal(builtin("node:none"), undefined);
  });

  it("is not a Node that is too old", () => {
    const packageJson = new URL("../../package.json", import.meta.url);
    const { engines } = JSON.parse(readFileSync(packageJson, "utf8")) as { engines: { node: string } };
    assert.equal(engines.node, ">=22.19");
    checkNode();
    for (const node of ["22.19.0", "22.20.1", "23.0.0", "26.10.0"]) checkNode({ node });
    checkNode({});
    checkNode({ node: "20.0.0", bun: "1.0.0" });
    checkNode({ node: "20.0.0", deno: "2.0.0" });
    for (const node of ["22.18.0", "20.20.2", "8.0.0"]) {
      assert.throws(() => checkNode({ node }), {
        code: "ENOTSUP",
        message: `zbud needs Node 22.19 or newer, and this is ${node} (ENOTSUP)`,
      });
    }
  });

  it("has shared memory in Node", () => {
    const buffer = sharedBuffer(8);
    assert.equal(buffer.byteLength, 8);
    assert.ok(isSharedBuffer(buffer));
    for (const other of [new ArrayBuffer(8), null, undefined, {}, 8]) assert.ok(!isSharedBuffer(other));
  });

  it("without shared memory, a pool that is to be shared is ENOTSUP and says what to do", () => {
    withoutSharedMemory(`
      assert.throws(() => new ZbudPool({ maxPages: 4, shared: true }), isCode("ENOTSUP", "Cross-Origin-Opener-Policy", "shared"));
      assert.throws(() => zbudDriver.attach({ zbud: 1, table: new ArrayBuffer(8), pages: new ArrayBuffer(8) }), isCode("EINVAL"));`);
  });

  it("without shared memory, a pool of one thread is all there", () => {
    withoutSharedMemory(`
      const pool = new ZbudPool({ maxPages: 4 });
      const handle = pool.alloc(100);
      pool.write(handle, new Uint8Array(100).fill(7));
      assert.deepEqual(pool.map(handle), new Uint8Array(100).fill(7));
      pool.free(handle);
      verify(pool);
      pool.close();`);
  });

  const SYSTEM = existsSync("/proc/thread-self") ? "[]" : '["thread-death"]';

  it("where nothing is missing, there are no fallbacks", () => {
    runWithout(
      "globalThis.nothing",
      `new ZbudPool({ maxPages: 4, shared: true }).close();
      assert.deepEqual(fallbacks(), ${SYSTEM});`,
    );
  });

  it("without shared memory, that is a fallback once somebody asks for it", () => {
    withoutSharedMemory(`
      assert.throws(() => new ZbudPool({ maxPages: 4, shared: true }));
      assert.deepEqual(fallbacks(), ["shared-memory"]);`);
  });

  it("without WebAssembly, a shared pool works, with a slower lock", () => {
    runWithout(
      "WebAssembly.Memory",
      `const pool = new ZbudPool({ maxPages: 4, shared: true });
      pool.free(pool.alloc(100));
      verify(pool);
      pool.close();
      assert.deepEqual(fallbacks(), [...${SYSTEM}, "wasm-lock"]);`,
    );
  });
});
