// Keeps compressed text in a pool of one mebibyte, which makes room by itself.
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { createPool, type Handle, verify } from "zbud";

const lines = new Map<number, Handle>(); // which object holds line i
const indexOf = new Map<Handle, number>();

const pool = createPool("zbud", {
  maxPages: 256, // of 4096 bytes
  onEvict(handle, pool) {
    lines.delete(indexOf.get(handle) ?? -1);
    indexOf.delete(handle);
    pool.free(handle);
    return true;
  },
});

for (let i = 0; i < 3000; i++) {
  const bytes = deflateRawSync(
    `line ${i}: ${"all work and no play makes zbud a dull pool. ".repeat(40 + (i % 50))}`,
  );
  let handle = pool.alloc(bytes.length);
  if (handle === "ENOMEM") {
    // Evicts the objects of the 8 pages that were longest without a new object.
    const { reclaimed, result } = pool.shrinkPages(8);
    if (reclaimed < 8) throw new Error(`${reclaimed} pages came free: ${result}`);
    handle = pool.alloc(bytes.length);
  }
  if (typeof handle === "string") throw new Error(`line ${i}: ${handle}`);
  pool.write(handle, bytes);
  lines.set(i, handle);
  indexOf.set(handle, i);
}

const newest = lines.get(2999);
if (newest === undefined) throw new Error("the newest line is not there");
const bytes = new Uint8Array(pool.sizeOf(newest));
pool.read(newest, bytes);
const { objects, pages, objectsEvicted, density } = pool.stats();
console.log(inflateRawSync(bytes).toString().slice(0, 54));
console.log(`${objects} objects in ${pages} pages (${density.toFixed(2)} a page), ${objectsEvicted} evicted`);
verify(pool);
pool.close();
