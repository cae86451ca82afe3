/** One process of the suite `processes`: does what it is told by messages, and answers with figures. */
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { Prng } from "../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../src/cache/index.ts";
import { registerBuiltIns } from "../src/drivers/index.ts";
import { PageStore, type PageStoreOptions } from "../src/store/index.ts";
import { cacheData } from "./cache-data.ts";
import { openPeer, type Peer, type PeerName, type PeerOptions } from "./cache-peers.ts";

export type Order =
  | { do: "open"; options: CompressedCacheOptions<Buffer> }
  /** Fills it with so many bytes that do not compress. */
  | { do: "fill"; bytes: number; valueBytes: number }
  /** Gets that are drawn at random, `sets` of a hundred of them sets instead. */
  | { do: "work"; data: number; count: number; operations: number; sets: number; seed: number }
  /** Fills a cache of somebody's, twice, since our dictionary comes behind the first sets. */
  | { do: "peer"; name: PeerName; options: PeerOptions; data: number; pauseMs: number }
  | { do: "gets"; data: number; count: number; operations: number; seed: number }
  /** Fills a store, and lowers its limit until half of the pages are evicted. */
  | { do: "halve"; options: PageStoreOptions; count: number };

export type Answer = { ms: number; bytes?: number; went?: number; freed?: number };

const TARGET = new Uint8Array(2 ** 17);
let cache: CompressedCache<Buffer>;
let peer: Peer;

function open({ options }: Extract<Order, { do: "open" }>): Answer {
  registerBuiltIns();
  const start = performance.now();
  cache = new CompressedCache<Buffer>(options);
  // It is open when it answers.
  cache.get("none");
  return { ms: performance.now() - start };
}

function fill({ bytes, valueBytes }: Extract<Order, { do: "fill" }>): Answer {
  const value = Buffer.alloc(valueBytes);
  const prng = new Prng(1);
  for (let i = 0; i < valueBytes; i += 4) value.writeUInt32LE(prng.uint32(), i);
  const start = performance.now();
  for (let i = 0; i * valueBytes < bytes; i++) {
    value.writeUInt32LE(i, 0);
    cache.set(`key ${i}`, value);
  }
  return { ms: performance.now() - start };
}

function work({ data, count, operations, sets, seed }: Extract<Order, { do: "work" }>): Answer {
  const { key, make } = cacheData(data, 1);
  const prng = new Prng(seed);
  const keys = Array.from({ length: operations }, () => key(prng.below(count)));
  const isSet = Uint8Array.from(keys, () => (prng.below(100) < sets ? 1 : 0));
  const values = Array.from({ length: 64 }, (_, i) => make(i));
  const start = performance.now();
  for (let i = 0; i < operations; i++) {
    if (isSet[i] === 1) cache.set(keys[i], values[i & 63]);
    else cache.getInto(keys[i], TARGET);
  }
  return { ms: performance.now() - start };
}

async function fillPeer({ name, options, data, pauseMs }: Extract<Order, { do: "peer" }>): Promise<Answer> {
  const { key, make } = cacheData(data, 1);
  const { count } = options;
  peer = await openPeer(name, options);
  const start = performance.now();
  for (let i = 0; i < 2 * count; i++) {
    const result = peer.set(key(i % count), make(i % count));
    if (peer.isAsync && i % 100 === 99) await result;
    if (i % 500 === 499) await turn();
    if (i === count) await sleep(pauseMs);
  }
  await peer.settle?.();
  return { ms: performance.now() - start };
}

async function gets({ data, count, operations, seed }: Extract<Order, { do: "gets" }>): Promise<Answer> {
  const { key } = cacheData(data, 1);
  const prng = new Prng(seed);
  const keys = Array.from({ length: operations }, () => key(prng.below(count)));
  let bytes = 0;
  const start = performance.now();
  for (const each of keys) {
    const length = peer.get(each);
    bytes += typeof length === "number" ? length : await length;
  }
  return { ms: performance.now() - start, bytes };
}

function halve({ options, count }: Extract<Order, { do: "halve" }>): Answer {
  registerBuiltIns();
  const store = new PageStore(options);
  const { make } = cacheData(2, 1);
  const page = new Uint8Array(store.pageSize);
  for (let i = 0; i < count; i++) {
    page.fill(0);
    page.set(make(i).subarray(0, page.length));
    store.store(i, page);
  }
  // What was used least recently lies anywhere.
  const prng = new Prng(1);
  for (let i = 0; i < count; i++) store.load(prng.below(count), page);
  const { memUsedTotal, poolTotalSize } = store.stats();
  collect();
  const before = process.memoryUsage.rss();
  const start = performance.now();
  for (let limit = 0.9 * memUsedTotal; store.size > count / 2; limit *= 0.9) store.resize(Math.floor(limit));
  const ms = performance.now() - start;
  collect();
  return { ms, went: before - process.memoryUsage.rss(), freed: poolTotalSize - store.stats().poolTotalSize };
}

function collect(): void {
  for (let i = 0; i < 4; i++) globalThis.gc?.();
}

function carryOut(order: Order): Answer | Promise<Answer> {
  switch (order.do) {
    case "open":
      return open(order);
    case "fill":
      return fill(order);
    case "work":
      return work(order);
    case "peer":
      return fillPeer(order);
    case "gets":
      return gets(order);
    case "halve":
      return halve(order);
  }
}

process.on("message", async (order: Order) => process.send?.(await carryOut(order)));
process.once("disconnect", () => process.exit());
