/** One process of the suite `machines`, as on one machine: does what it is told by messages. */

import { setImmediate as turn } from "node:timers/promises";
import { Prng } from "../src/base/index.ts";
import { registerBuiltIns } from "../src/drivers/index.ts";
import { History, Kind, MISS, NO_TAG, now } from "../test/machines/history.ts";
import { CACHE_DATA, cacheData } from "./cache-data.ts";
import {
  type MachineOptions,
  type MachinePeer,
  type MachinePeerName,
  openMachinePeer,
  type Value,
} from "./machines-peers.ts";
import { zipf } from "./zipf.ts";

export type MachineOrder =
  | { do: "open"; name: MachinePeerName; options: MachineOptions; data: number; keys: number; seed: number }
  /** Sets all keys. */
  | { do: "fill" }
  /** Requests, a turn of the event loop for each few of them; `measure`: what it was is told. */
  | { do: "work"; process: number; requests: number; seed: number; measure: boolean }
  /** Reads all keys. */
  | { do: "hold" }
  /** Requests of one kind after the other. */
  | { do: "cost"; requests: number; entries: number }
  | { do: "close" };

export interface MachineAnswer {
  ms?: number;
  /** Processor time of all its threads, in µs. */
  cpu?: number;
  /** The same for each request, of each kind of them. */
  hit?: number;
  miss?: number;
  set?: number;
  /** How long reads took, in ms. */
  reads?: Float64Array;
  history?: Uint8Array;
  /** Bytes on and off the heap, and resident ones, since before it was opened. */
  held?: number;
  resident?: number;
}

/** Requests of a turn of the event loop. */
const AT_ONCE = 16;
const SETS = 0.1;
const SKEW = 0.99;
/** Contents that are set. */
const BODIES = 256;

let peer: MachinePeer;
let keys: string[] = [];
let bodies: unknown[] = [];
let draw: (prng: Prng) => number;
let before = { held: 0, resident: 0 };
let versions = 0;

async function open(order: Extract<MachineOrder, { do: "open" }>): Promise<MachineAnswer> {
  registerBuiltIns();
  prepare(order);
  // What all this was made from goes first.
  await turn();
  before = memoryNow();
  peer = await openMachinePeer(order.name, order.options);
  return {};
}

function prepare({ data, keys: count, seed }: Extract<MachineOrder, { do: "open" }>): void {
  const isJson = data < CACHE_DATA.length - 1;
  const { key, make } = cacheData(data, seed);
  keys = Array.from({ length: count }, (_, i) => key(i));
  bodies = Array.from({ length: BODIES }, (_, i) => {
    const text = make(i).toString();
    return isJson ? (JSON.parse(text) as unknown) : text;
  });
  draw = zipf(count, SKEW);
}

function versionValue(version: number): Value {
  return { version, body: bodies[version % BODIES] };
}

async function fill(): Promise<MachineAnswer> {
  for (let i = 0; i < keys.length; i += AT_ONCE) {
    await Promise.all(keys.slice(i, i + AT_ONCE).map((key) => peer.set(key, versionValue(++versions))));
  }
  return {};
}

async function work({
  process,
  requests,
  seed,
  measure,
}: Extract<MachineOrder, { do: "work" }>): Promise<MachineAnswer> {
  const prng = new Prng(seed);
  // Numbers of versions that no other process has, nor the filling.
  versions = Math.max(versions, (process + 1) * 2 ** 28);
  const history = new History(process);
  const reads: number[] = [];
  const request = async (key: number): Promise<void> => {
    if (prng.chance(SETS)) {
      const version = ++versions;
      const row = history.begin(Kind.set, key, version, NO_TAG, now());
      await peer.set(keys[key], versionValue(version));
      const end = now();
      history.end(row, end);
      history.told(row, end);
      return;
    }
    const begin = now();
    const row = history.begin(Kind.read, key, MISS, NO_TAG, begin);
    const value = await peer.get(keys[key]);
    const end = now();
    history.gave(row, value?.version ?? MISS, end);
    reads.push(end - begin);
  };
  const start = now();
  const cpuBefore = globalThis.process.cpuUsage();
  for (let i = 0; i < requests; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => request(draw(prng))));
    await turn();
  }
  const ms = now() - start;
  const { user, system } = globalThis.process.cpuUsage(cpuBefore);
  return measure
    ? { ms, cpu: user + system, reads: Float64Array.from(reads), history: history.bytes() }
    : { ms };
}

async function hold(): Promise<MachineAnswer> {
  for (let i = 0; i < keys.length; i += AT_ONCE) {
    await Promise.all(keys.slice(i, i + AT_ONCE).map((key) => peer.get(key)));
  }
  // What an answer of the server left goes with the turns.
  for (let i = 0; i < 4; i++) await turn();
  const { held, resident } = memoryNow();
  return { held: held - before.held + peer.sharedBytes(), resident: resident - before.resident };
}

async function cost({ requests, entries }: Extract<MachineOrder, { do: "cost" }>): Promise<MachineAnswer> {
  // So few that all of them stay, and so many that none does when its turn comes again.
  const few = entries >> 2;
  await cpuOf(few, (i) => peer.get(keys[i % few]));
  const hit = await cpuOf(requests, (i) => peer.get(keys[i % few]));
  await cpuOf(keys.length, (i) => peer.get(keys[i % keys.length]));
  const miss = await cpuOf(requests, (i) => peer.get(keys[i % keys.length]));
  const set = await cpuOf(requests, (i) => peer.set(keys[i % keys.length], versionValue(++versions)));
  return { hit, miss, set };
}

/** Processor time of this process, in µs for each request. */
async function cpuOf(count: number, request: (i: number) => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < count; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => request(i + at)));
    await turn();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

/** Without what threads share, which is in neither figure of the heap. */
function memoryNow(): { held: number; resident: number } {
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { held: heapUsed + external, resident: rss };
}

async function carryOut(order: MachineOrder): Promise<MachineAnswer> {
  switch (order.do) {
    case "open":
      return await open(order);
    case "fill":
      return await fill();
    case "work":
      return await work(order);
    case "hold":
      return await hold();
    case "cost":
      return await cost(order);
    case "close":
      await peer.close();
      return {};
  }
}

process.on("message", (order: MachineOrder) => {
  carryOut(order).then(
    (answer) => process.send?.(answer),
    (error: Error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.once("disconnect", () => process.exit());
