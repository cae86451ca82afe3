/**
 * From lru-cache to CompressedCache: the same program with both, side by side. What changes is the line that makes the
 * cache; how the rest behaves, and what memory each took, is printed. It needs lru-cache: npm install lru-cache
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { LRUCache } from "lru-cache";
import { CompressedCache } from "zbud/cache";

/** An answer of some API, as a server caches it. */
interface Order {
  id: string;
  customer: { name: string; email: string; address: string[] };
  items: { sku: string; title: string; quantity: number; cents: number }[];
}

const ORDERS = 10_000;

const withLruCache = () => new LRUCache<string, Order>({ max: ORDERS, ttl: 60_000 });

// Besides the number of entries, all memory is limited: keys, index and values together.
const withZbud = () => new CompressedCache<Order>({ maxBytes: "16MiB", maxEntries: ORDERS, ttl: 60_000 });

/** The program. It does not know which of the two it has. */
function program(cache: LRUCache<string, Order> | CompressedCache<Order>): string[] {
  let refused = 0;
  const set = (id: string, order: Order, ttl = 60_000): void => {
    // lru-cache gives itself; a cache that is bounded by bytes says what became of the value.
    const result: unknown = cache.set(id, order, { ttl });
    if (result === "E2BIG" || result === "ENOMEM") refused++;
  };
  for (let i = 0; i < ORDERS + 100; i++) set(`order:${i}`, orderOf(i)); // 100 too many
  set("order:9000", { ...orderOf(9000), items: [] }, 30_000);
  const deleted = cache.delete("order:9001");
  return [
    `${refused} orders were refused, order 9001 was ${deleted ? "deleted" : "not there"}`,
    `${cache.size} entries`,
    `the oldest is ${cache.has("order:0") ? "there" : "gone"}`,
    `order 5000 is for ${cache.get("order:5000")?.customer.name}`,
    `order 9000 has ${cache.get("order:9000")?.items.length} items`,
    `order 9001 is ${cache.get("order:9001")}`,
    `the last used is ${cache.keys().next().value}`,
  ];
}

const lru = measured(withLruCache, () => 0);
const zbud = measured(withZbud, (cache) => cache.stats().bytesUsed);
for (const [i, line] of lru.lines.entries()) {
  console.log(line === zbud.lines[i] ? `both:      ${line}` : `otherwise: ${line}; ${zbud.lines[i]}`);
}
console.log(
  `memory:    lru-cache ${mib(lru.bytes)} of heap, CompressedCache ${mib(zbud.bytes)}, off the heap`,
);

// What is different. A value is kept as it was at the time of `set`, and each `get` gives a copy of its own:
const [old, now] = [lru.cache, zbud.cache];
for (const cache of [old, now]) (cache.get("order:5000") as Order).customer.name = "changed";
console.log(
  `changed in place: ${old.get("order:5000")?.customer.name}; ${now.get("order:5000")?.customer.name}`,
);

// Values go through JSON, so a Date comes back as text; `serializer: "v8"` keeps it, and Map, Set, BigInt.
const dates = new CompressedCache<{ at: Date }>({ maxBytes: "1MiB", serializer: "v8" });
const result = dates.set("now", { at: new Date(0) });
console.log(`a Date with serializer "v8": ${result}, ${dates.get("now")?.at.toISOString()}`);

// `fetchMethod` and `fetch` are `getOrSet`, with the loader at the call; `dispose` is `onRemoved(key, reason)`,
// without the value; `maxSize` with `sizeCalculation` is `maxBytes`, with nothing to calculate.
const loaded = await now.getOrSet("order:20000", async (key) => orderOf(Number(String(key).slice(6))));
console.log(`loaded when missing: ${loaded.id}`);
dates.close();
now.close();

/** Runs the program with a new cache, and says what memory the cache took then. */
function measured<C extends ReturnType<typeof withLruCache> | ReturnType<typeof withZbud>>(
  make: () => C,
  bytesOffHeap: (cache: C) => number,
): { lines: string[]; cache: C; bytes: number } {
  const before = heapBytes();
  const cache = make();
  const lines = program(cache);
  return { lines, cache, bytes: heapBytes() - before + bytesOffHeap(cache) };
}

/** The heap without what nobody holds any more. */
function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

function orderOf(i: number): Order {
  const street = ["Station Road", "Mill Lane", "Church Street", "Harbour View"][i % 4];
  const order: Order = {
    id: `order:${i}`,
    customer: {
      name: `Customer ${i % 997}`,
      email: `customer${i % 997}@example.com`,
      address: [`${(i * 31) % 200} ${street}`, `${10_000 + (i % 800)} Port Town`],
    },
    items: Array.from({ length: 8 + (i % 9) }, (_, n) => ({
      sku: `SKU-${((i + n) * 7919) % 100_000}`,
      title: `Article ${(i * 13 + n) % 500} of the catalogue, in one of its colours`,
      quantity: 1 + ((i + n) % 3),
      cents: 199 + ((i * 37 + n * 11) % 9000),
    })),
  };
  return JSON.parse(JSON.stringify(order)); // as it comes from a network
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
