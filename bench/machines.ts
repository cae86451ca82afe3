/** Four machines, each with a cache in memory before one Redis server: what they serve, what it costs, how old it is. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { checkHistory } from "../test/machines/checker.ts";
import { History, Kind, NO_TAG } from "../test/machines/history.ts";
import { RedisServer } from "../test/redis/server.ts";
import { CACHE_DATA } from "./cache-data.ts";
import type { BenchOptions, Row } from "./harness.ts";
import { broadcastRows } from "./machines-broadcast.ts";
import type { MachineAnswer, MachineOrder } from "./machines-child.ts";
import { MACHINE_PEERS, type MachinePeerName } from "./machines-peers.ts";

const SUITE = "machines";
const MACHINES = 4;
/** Of each kind: keys, entries that each memory may hold, requests of each process; entries whose memory is measured. */
const SIZES: readonly [number, number, number, number][] = [
  [40_000, 10_000, 60_000, 100_000],
  [20_000, 5000, 60_000, 60_000],
  [10_000, 2500, 40_000, 20_000],
  [1500, 375, 10_000, 2000],
];
/** Bytes of a record of each kind, in memory and as it is, at most. */
const RECORD_BYTES: readonly number[] = [700, 1800, 5500, 65_000];
/** What a test sees. */
const QUICK: [number, number, number, number] = [400, 100, 400, 400];
const QUICK_KIND = 1;
/** What is out of date for longer is counted as well. */
const LATE_MS = 100;
/** For ratios: no peer's figure may be 0. */
const LEAST = 0.001;

interface Figures {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly hitRate: number;
  /** Of the processes, without the server, in µs for each request; and for those of one kind, of one process alone. */
  readonly cpu: number;
  readonly hit: number;
  readonly miss: number;
  readonly set: number;
  /** Bytes of the network for each request. */
  readonly network: number;
  readonly dataset: number;
  /** Bytes of a process that holds entries, on the heap and off it, and resident. */
  readonly held: number;
  readonly resident: number;
  /** Reads of what had been overwritten, and by how much at most. */
  readonly stale: number;
  readonly late: number;
  readonly staleMs: number;
}

export async function run(options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [kind, name] of CACHE_DATA.entries()) {
    if (options.quick && kind !== QUICK_KIND) continue;
    const figures = new Map<MachinePeerName, Figures>();
    for (const peer of MACHINE_PEERS) {
      options.log(`  ${name}, four processes: ${peer} …`);
      const ofWork = await measure(peer, kind, options);
      const ofEach = await costOf(peer, kind, options);
      figures.set(peer, { ...ofWork, ...ofEach, ...(await hold(peer, kind, options)) });
    }
    for (const [peer, theirs] of figures) {
      options.log(`    ${peer}: ${textOf(theirs)}`);
      const ours = figures.get("zbud");
      if (peer !== "zbud" && ours !== undefined) rows.push(...compare(name, ours, peer, theirs));
    }
  }
  rows.push(...(await broadcastRows(SUITE, options)));
  return rows;
}

/** Four processes that begin with a server which holds all keys, and memories that are warm. */
async function measure(
  name: MachinePeerName,
  kind: number,
  { seed, quick }: BenchOptions,
): Promise<Omit<Figures, "hit" | "miss" | "set" | "held" | "resident">> {
  const [keys, entries, requests] = quick ? QUICK : SIZES[kind];
  return await withMachines(MACHINES, name, kind, keys, entries, seed, async (server, children) => {
    const all = (order: (index: number) => MachineOrder): Promise<MachineAnswer[]> =>
      Promise.all(children.map((child, index) => ask(child, order(index))));
    const work = { do: "work", requests, measure: false } as const;
    await all((process) => ({ ...work, process, requests: Math.ceil(requests / 2), seed: seed + process }));
    const before = await networkOf(server);
    const answers = await all((process) => ({ ...work, process, measure: true, seed: seed + 100 + process }));
    const after = await networkOf(server);
    const dataset = await infoOf(server, "memory", "used_memory_dataset");
    return {
      ...figuresOf(answers),
      rate: (MACHINES * requests * 1000) / Math.max(...answers.map(({ ms = 0 }) => ms)),
      cpu: answers.reduce((sum, { cpu = 0 }) => sum + cpu, 0) / (MACHINES * requests),
      network: (after - before) / (MACHINES * requests),
      dataset,
    };
  });
}

/** What requests of each kind cost one process that has the server for itself. */
async function costOf(
  name: MachinePeerName,
  kind: number,
  { seed, quick }: BenchOptions,
): Promise<Pick<Figures, "hit" | "miss" | "set">> {
  const [keys, entries, requests] = quick ? QUICK : SIZES[kind];
  return await withMachines(1, name, kind, keys, entries, seed, async (_, [child]) => {
    const { hit = 0, miss = 0, set = 0 } = await ask(child, { do: "cost", requests, entries });
    return { hit, miss, set };
  });
}

/** What a process takes that read all that another one had set, and keeps it. */
async function hold(
  name: MachinePeerName,
  kind: number,
  { seed, quick }: BenchOptions,
): Promise<Pick<Figures, "held" | "resident">> {
  const [, , , entries] = quick ? QUICK : SIZES[kind];
  return await withMachines(2, name, kind, entries, entries, seed, async (_, [, reader]) => {
    const { held = 0, resident = 0 } = await ask(reader, { do: "hold" });
    return { held, resident };
  });
}

/** Has processes with one server, which the first of them filled. */
async function withMachines<Result>(
  count: number,
  name: MachinePeerName,
  kind: number,
  keys: number,
  entries: number,
  seed: number,
  use: (server: RedisServer, children: readonly ChildProcess[]) => Promise<Result>,
): Promise<Result> {
  const bytes = Math.max(2 ** 22, entries * RECORD_BYTES[kind]);
  const server = await RedisServer.start();
  const children: ChildProcess[] = [];
  try {
    for (let i = 0; i < count; i++) children.push(await start());
    const options = { port: server.port, entries, bytes };
    const open: MachineOrder = { do: "open", name, options, data: kind, keys, seed };
    await Promise.all(children.map((child) => ask(child, open)));
    await ask(children[0], { do: "fill" });
    const result = await use(server, children);
    await Promise.all(children.map((child) => ask(child, { do: "close" })));
    return result;
  } finally {
    for (const child of children) child.kill();
    await server.stop();
  }
}

function figuresOf(
  answers: readonly MachineAnswer[],
): Pick<Figures, "p50" | "p99" | "hitRate" | "stale" | "late" | "staleMs"> {
  const reads = answers.flatMap(({ reads = new Float64Array(0) }) => [...reads]).toSorted((a, b) => a - b);
  const histories = answers.map(({ history = new Uint8Array(0) }, process) => History.of(process, history));
  const operations = histories.flatMap((history) => [...history]);
  // What was there before: each value was set before all that is known.
  const known = new Set(operations.filter(({ kind }) => kind === Kind.set).map(({ value }) => value));
  const older = new Map(
    operations.flatMap(({ kind, value, key }) =>
      kind === Kind.read && value > 0 && !known.has(value) ? [[value, key]] : [],
    ),
  );
  // Which of those was the last one is not known, so only what was set meanwhile can end them.
  for (const [value, key] of older) {
    operations.push({
      process: MACHINES,
      kind: Kind.load,
      key,
      value,
      tag: NO_TAG,
      begin: 0,
      end: 0,
      told: 0,
    });
  }
  const { stale, staleMsMax } = checkHistory(operations, { boundMs: 0 });
  const late = checkHistory(operations, { boundMs: LATE_MS }).violations;
  const hits = operations.filter(({ kind, value }) => kind === Kind.read && value > 0).length;
  return {
    p50: reads[Math.floor(reads.length * 0.5)],
    p99: reads[Math.floor(reads.length * 0.99)],
    hitRate: hits / reads.length,
    stale,
    late,
    staleMs: staleMsMax,
  };
}

function compare(kind: string, ours: Figures, peer: string, theirs: Figures): Row[] {
  const row = (what: string, name: keyof Figures, unit: string, scale = 1): Row => {
    const [a, b] = [Math.max(ours[name] / scale, LEAST), Math.max(theirs[name] / scale, LEAST)];
    return { suite: SUITE, case: `${kind}, ${what}`, ours: a, peer, theirs: b, unit, ratio: a / b };
  };
  return [
    row("requests", "rate", "req/s"),
    row("reads, median", "p50", "ms"),
    row("reads, 99 of 100", "p99", "ms"),
    row("processor time", "cpu", "µs/req"),
    row("processor time of a read from memory", "hit", "µs/req"),
    row("processor time of a read from the server", "miss", "µs/req"),
    row("processor time of a set", "set", "µs/req"),
    row("network", "network", "bytes/req"),
    row("memory of the server", "dataset", "MB", 1e6),
    row("memory of a process that holds entries", "held", "MB", 1e6),
    row("the same, resident", "resident", "MB", 1e6),
    row("reads out of date", "stale", "reads"),
    row("reads out of date, the oldest", "staleMs", "ms"),
  ];
}

function textOf(figures: Figures): string {
  const rounded = Object.entries(figures).map(([name, value]) => [
    name,
    Number((value as number).toPrecision(4)),
  ]);
  return JSON.stringify(Object.fromEntries(rounded));
}

async function networkOf(server: RedisServer): Promise<number> {
  const input = await infoOf(server, "stats", "total_net_input_bytes");
  return input + (await infoOf(server, "stats", "total_net_output_bytes"));
}

async function infoOf(server: RedisServer, section: string, name: string): Promise<number> {
  const info = await server.command(["INFO", section]);
  return Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1] ?? Number.NaN);
}

async function start(): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, "machines-child.ts"), {
    execArgv: ["--disable-warning=ExperimentalWarning", "--expose-gc"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
  });
  await once(child, "spawn");
  return child;
}

async function ask(child: ChildProcess, order: MachineOrder): Promise<MachineAnswer> {
  child.send(order);
  const [answer] = (await Promise.race([
    once(child, "message"),
    once(child, "exit").then(([code]) => {
      throw new Error(`a process of the benchmark ended with ${code}`);
    }),
  ])) as [MachineAnswer];
  return answer;
}
