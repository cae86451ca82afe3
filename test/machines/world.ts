/** Where players meet: a server, or a cluster of them, behind networks that fail. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Prng } from "../../src/base/index.ts";
import { RedisCluster } from "../redis/cluster.ts";
import { TcpProxy } from "../redis/proxy.ts";
import { RedisServer } from "../redis/server.ts";
import { SlotMove } from "../redis/slot-move.ts";
import type { Rollback } from "./checker.ts";
import { now } from "./history.ts";
import type { TierPlan } from "./tier.ts";

/** Something that goes wrong, and is over when it ends. */
export interface Fault {
  readonly name: string;
  run(prng: Prng): Promise<void>;
}

export interface World {
  readonly faults: readonly Fault[];
  /** When servers may have lost what they acknowledged. */
  readonly rollbacks: Rollback[];
  /** How a process reaches the servers. */
  planOf(process: number): Pick<TierPlan, "urls" | "isCluster">;
  /** Waits until all is as it was at first. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

const NODE_TIMEOUT_MS = 600;
/** A replica that has a connection is at most so far behind its master, or a master that was replaced so late in knowing it. */
const LAG_MS = 1000;
/** So long may it have had none, with the time until it makes another one. */
const CUT_OFF_MS = 1500;
const WATCH_MS = 100;
/** At a time. */
const SLOTS_MOVED = 30;

/** What goes wrong between a process and a server. */
function networkFaults(proxyOf: (prng: Prng) => TcpProxy): Fault[] {
  const broken = (mode: "hold" | "drop" | "refuse", mostMs: number): Fault => ({
    name: `network: ${mode}`,
    run: async (prng) => {
      const proxy = proxyOf(prng);
      proxy.mode = mode;
      await sleep(prng.between(20, mostMs));
      proxy.mode = "pass";
    },
  });
  return [
    broken("hold", 1200),
    broken("drop", 1200),
    broken("refuse", 800),
    {
      name: "network: slow",
      run: async (prng) => {
        const proxy = proxyOf(prng);
        proxy.delayMs = prng.between(1, 120);
        await sleep(prng.between(50, 600));
        proxy.delayMs = 0;
      },
    },
    {
      name: "network: what was sent comes after what was sent later",
      run: async (prng) => {
        const proxy = proxyOf(prng);
        proxy.mode = "hold";
        await sleep(prng.between(5, 60));
        proxy.overtake();
        await sleep(prng.between(50, 2500));
        proxy.arrive();
      },
    },
    {
      name: "network: cut in the middle of an answer",
      run: async (prng) => {
        proxyOf(prng).cutAfter(prng.between(1, 3000));
        await sleep(prng.between(10, 100));
      },
    },
  ];
}

/** One server; each process reaches it through a network of its own. It keeps nothing when it is killed. */
export async function singleServer(processes: number): Promise<World> {
  const server = await RedisServer.start();
  const proxies: TcpProxy[] = [];
  for (let i = 0; i < processes; i++) proxies.push(await TcpProxy.start(server.port));
  return {
    rollbacks: [],
    planOf: (process) => ({ urls: [proxies[process].url], isCluster: false }),
    faults: [
      {
        name: "server: killed, and starts empty",
        run: async (prng) => {
          await server.kill();
          await sleep(prng.below(500));
          await server.restart();
        },
      },
      {
        name: "server: stopped",
        run: async (prng) => {
          server.pause();
          await sleep(prng.between(20, 1500));
          server.resume();
        },
      },
      ...networkFaults((prng) => proxies[prng.below(processes)]),
    ],
    settled: async () => undefined,
    stop: async () => {
      for (const proxy of proxies) await proxy.stop();
      await server.stop();
    },
  };
}

/**
 * Notes when a replica takes over, also one that nobody made do that: on a machine with much else to do a master may be
 * late for a moment, and then what only it had is lost as well.
 *
 * @returns what ends it.
 */
function watchFailovers(servers: RedisCluster, rollbacks: Rollback[]): () => Promise<void> {
  const ending = new AbortController();
  const watch = async (): Promise<void> => {
    const last = new Map(await servers.replicas());
    let lastAt = now();
    while (!ending.signal.aborted) {
      await sleep(WATCH_MS, undefined, { signal: ending.signal }).catch(() => undefined);
      const at = now();
      const replicas = await servers.replicas();
      if ([...replicas].some(([server, is]) => !is && last.get(server) === true))
        rollbacks.push({ from: lastAt - LAG_MS - CUT_OFF_MS, to: now() + LAG_MS });
      // One that does not answer is what it was.
      for (const [server, is] of replicas) last.set(server, is);
      lastAt = at;
    }
  };
  const watching = watch();
  return async () => {
    ending.abort();
    await watching;
  };
}

/** Moves some slots of a cluster with what is in them, and leaves each half moved for a while. */
class Reshard {
  readonly #servers: RedisCluster;
  readonly #empty: RedisServer;
  readonly #moving: Set<number> = new Set();

  constructor(servers: RedisCluster) {
    this.#servers = servers;
    this.#empty = servers.servers.at(-1) as RedisServer;
  }

  /** @param toEmpty - to the master that has none, and back: it has no replica. */
  async run(prng: Prng, toEmpty: boolean): Promise<void> {
    const masters = await this.#masters();
    const at = prng.below(masters.length);
    const from = masters[at];
    const to = toEmpty ? this.#empty : masters[(at + prng.between(1, masters.length - 1)) % masters.length];
    for (let tries = 0; tries < SLOTS_MOVED; tries++) {
      const key = Buffer.from(await from.command(["RANDOMKEY"]), "latin1");
      this.#moving.add((await this.#servers.ownerOf(key)).slot);
    }
    await this.#move(prng, from, to);
    if (toEmpty) await this.#move(prng, to, from);
    this.#moving.clear();
  }

  async #move(prng: Prng, from: RedisServer, to: RedisServer): Promise<void> {
    const all = [...(await this.#masters()), this.#empty];
    const moves: SlotMove[] = [];
    for (const slot of this.#moving) moves.push(await SlotMove.begin(slot, from, to, all));
    await sleep(prng.below(200));
    for (const move of moves) await move.some(1);
    await sleep(prng.below(400));
    for (const move of moves) await move.end();
  }

  /** A replica took over meanwhile. */
  async undo(): Promise<void> {
    const masters = await this.#masters();
    for (const slot of this.#moving) {
      const owner = await this.#servers.ownerOfSlot(slot);
      const others = [...masters, this.#empty].filter((server) => server !== owner);
      await SlotMove.undo(slot, owner, others);
      if (owner === this.#empty) await (await SlotMove.begin(slot, owner, masters[0], others)).end();
    }
    this.#moving.clear();
  }

  async #masters(): Promise<RedisServer[]> {
    const masters = await this.#servers.currentMasters();
    return masters.map(({ server }) => server).filter((server) => server !== this.#empty);
  }
}

/** The slots of a cluster move. */
function slotFaults(servers: RedisCluster, rollbacks: Rollback[]): Fault[] {
  const reshard = new Reshard(servers);
  const moving = (toEmpty: boolean) => async (prng: Prng) => {
    const from = now() - LAG_MS;
    const before = rollbacks.length;
    try {
      await reshard.run(prng, toEmpty);
    } catch (error) {
      await servers.settled();
      await sleep(2 * WATCH_MS);
      // Nothing else may end it than a replica that takes over.
      if (rollbacks.length === before) throw error;
      await reshard.undo();
      rollbacks.push({ from, to: now() + LAG_MS });
    }
  };
  return [
    { name: "slots: moved to another master", run: moving(false) },
    { name: "slots: moved to a master without any, and back", run: moving(true) },
  ];
}

/** Three masters and three replicas, each behind a network, and a master without keys. */
export async function cluster(): Promise<World> {
  const servers = await RedisCluster.start({
    replicas: 1,
    empty: 1,
    proxied: true,
    nodeTimeoutMs: NODE_TIMEOUT_MS,
  });
  const rollbacks: Rollback[] = [];
  const endWatch = watchFailovers(servers, rollbacks);
  /** A fault in which a replica may take over. */
  const failing = async (work: () => Promise<void>): Promise<void> => {
    await servers.synced();
    const from = now() - LAG_MS;
    await work();
    await servers.settled();
    rollbacks.push({ from, to: now() + LAG_MS });
  };
  const anyMaster = async (prng: Prng) => {
    const masters = await servers.currentMasters();
    // That which was empty may have slots now, and has no replica.
    const replaceable = masters.filter(({ server }) => server !== servers.servers.at(-1));
    return replaceable[prng.below(replaceable.length)].server;
  };
  const proxies = servers.nodes.flatMap(({ proxy }) => (proxy === null ? [] : [proxy]));
  return {
    rollbacks,
    planOf: () => ({ urls: servers.urls, isCluster: true }),
    faults: [
      {
        name: "master: killed, a replica takes over",
        run: (prng) =>
          failing(async () => {
            const server = await anyMaster(prng);
            await server.kill();
            await sleep(NODE_TIMEOUT_MS * 3);
            await servers.settled();
            await server.restart();
          }),
      },
      {
        name: "master: stopped, a replica takes over",
        run: (prng) =>
          failing(async () => {
            const server = await anyMaster(prng);
            server.pause();
            await sleep(prng.between(NODE_TIMEOUT_MS, NODE_TIMEOUT_MS * 4));
            server.resume();
          }),
      },
      {
        name: "master: stopped for a moment",
        run: async (prng) => {
          const server = await anyMaster(prng);
          server.pause();
          await sleep(prng.between(20, NODE_TIMEOUT_MS / 3));
          server.resume();
        },
      },
      ...slotFaults(servers, rollbacks),
      ...networkFaults((prng) => proxies[prng.below(proxies.length)]),
    ],
    settled: () => servers.settled(),
    stop: async () => {
      await endWatch();
      await servers.stop();
    },
  };
}
