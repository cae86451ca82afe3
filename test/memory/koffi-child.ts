/** A process that shares a cache, and tells by which way it calls the system. `hide-ffi`: as a Node without node:ffi. */

import { randomBytes } from "node:crypto";

if (process.argv.includes("hide-ffi")) {
  const get = process.getBuiltinModule;
  process.getBuiltinModule = ((name: string) => (name === "node:ffi" ? undefined : get(name))) as typeof get;
}
const { libc } = await import("../../src/memory/libc.ts");
const { CompressedCache } = await import("../../src/cache/index.ts");
const cache = new CompressedCache<string>({ maxBytes: "8MiB", shared: process.argv[2] });
const found = cache.get("from");
const { through } = libc();
cache.set("from", through);
for (let i = 0; i < 6000; i++) cache.set(i, randomBytes(1500).toString("base64"));
const { bytesFreed } = cache.resize("4MiB");
cache.resize("8MiB");
cache.set("from", through);
process.stdout.write(JSON.stringify({ through, found, bytesFreed }));
if (process.argv.includes("die")) process.kill(process.pid, "SIGKILL");
cache.close();
