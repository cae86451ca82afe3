/** A real cluster of Redis servers for one test. */

import { until } from "../support/until.ts";
import { TcpProxy } from "./proxy.ts";
import { freePort, RedisServer, requireRedis } from "./server.ts";

const PATIENCE_MS = 30_000;
const SLOTS = 16_384;

export interface ClusterOptions {
  /** How many servers divide the keys between them. Default 3. */
  masters?: number;
  /** Of each master: how many take its place when it is gone. Default 0. */
  replicas?: number;
  /** More masters, which have no keys yet. Default 0. */
  empty?: number;
  /**
   * Clients, and replicas, reach each server through a proxy: the servers tell the proxies' ports. How the servers see
   * whether the others live does not go through proxies. Default false.
   */
  proxied?: boolean;
  /** How long a server may be silent before the others replace it. Default 2000; a test of failures takes less. */
  nodeTimeoutMs?: number;
  /** More options of every server. */
  args?: readonly string[];
  /** That they speak TLS too, with each other and on a second port: the options for it. */
  tls?: readonly string[];
}

/** One server of a cluster, and the proxy before it, if there is one. */
export interface ClusterNode {
  readonly server: RedisServer;
  readonly proxy: TcpProxy | null;
  readonly busPort: number;
  /** 0: it does not speak TLS. */
  readonly tlsPort: number;
}

/** Servers that divide the keys between them, with their replicas. */
export class RedisCluster {
  readonly nodes: readonly ClusterNode[];
  readonly masters: number;
  readonly #empty: number;

  private constructor(nodes: readonly ClusterNode[], masters: number, empty: number) {
    this.nodes = nodes;
    this.masters = masters;
    this.#empty = empty;
  }

  static async start(options: ClusterOptions = {}): Promise<RedisCluster> {
    requireRedis();
    const {
      masters = 3,
      replicas = 0,
      empty = 0,
      proxied = false,
      nodeTimeoutMs = 2000,
      args = [],
      tls,
    } = options;
    const nodes: ClusterNode[] = [];
    try {
      for (let index = 0; index < masters * (1 + replicas) + empty; index++) {
        const proxy = proxied ? await TcpProxy.start() : null;
        // The servers of a cluster talk on a second port, by default 10,000 higher: that may not exist.
        const busPort = await freePort();
        const tlsPort = tls === undefined ? 0 : await freePort();
        const server = await RedisServer.start([
          ...["--cluster-enabled", "yes", "--cluster-port", String(busPort)],
          ...[
            "--cluster-node-timeout",
            String(nodeTimeoutMs),
            "--cluster-config-file",
            `nodes-${index}.conf`,
          ],
          // A test waits for nothing that a master could do at once, and lets any replica take over.
          ...["--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"],
          ...["--cluster-allow-replica-migration", "no", "--cluster-announce-ip", "127.0.0.1"],
          ...(proxy === null ? [] : ["--cluster-announce-port", String(proxy.port)]),
          ...(tls === undefined ? [] : ["--tls-port", String(tlsPort), "--tls-cluster", "yes", ...tls]),
          ...args,
        ]);
        if (proxy !== null) proxy.target = server.port;
        nodes.push({ server, proxy, busPort, tlsPort });
      }
      const cluster = new RedisCluster(nodes, masters, empty);
      await cluster.#join();
      return cluster;
    } catch (error) {
      for (const node of nodes) await endNode(node);
      throw error;
    }
  }

  get servers(): readonly RedisServer[] {
    return this.nodes.map(({ server }) => server);
  }

  /** Where clients find it. */
  get urls(): string[] {
    return this.nodes.map(({ server, proxy }) => proxy?.url ?? server.url);
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await endNode(node);
  }

  /** The nodes that are masters now, in no order, as a server that answers sees it. */
  async currentMasters(): Promise<ClusterNode[]> {
    for (const { server } of this.nodes) {
      const text = server.isRunning ? await server.command(["CLUSTER", "NODES"]).catch(() => null) : null;
      if (text === null) continue;
      const lines = linesOf(text).filter(
        ({ flags, slots }) => isHealthyMaster(flags) && slots.some((slot) => !slot.startsWith("[")),
      );
      return this.nodes.filter((node) => lines.some(({ port }) => port === portOf(node)));
    }
    throw new Error("no server of the cluster answers");
  }

  /** Which master has a key. */
  async ownerOf(key: string | Buffer): Promise<{ readonly slot: number; readonly owner: RedisServer }> {
    const slot = Number((await this.servers[0].command(["CLUSTER", "KEYSLOT", key])).slice(1));
    return { slot, owner: await this.ownerOfSlot(slot) };
  }

  async ownerOfSlot(slot: number): Promise<RedisServer> {
    for (const node of await this.currentMasters()) {
      const lines = await view(node.server);
      const own = lines.find(({ port }) => port === portOf(node));
      if (own?.slots.some((range) => isWithin(range, slot)) === true) return node.server;
    }
    throw new Error(`nobody has slot ${slot}`);
  }

  /** Of each server that answers: whether it is a replica. */
  async replicas(): Promise<ReadonlyMap<RedisServer, boolean>> {
    const running = this.servers.filter(({ isRunning }) => isRunning);
    const infos = await Promise.all(
      running.map((server) => server.command(["INFO", "replication"]).catch(() => null)),
    );
    const known = running.flatMap((server, i): [RedisServer, boolean][] => {
      const info = infos[i];
      return info === null ? [] : [[server, info.includes("role:slave")]];
    });
    return new Map(known);
  }

  /** Waits until every server that runs sees all keys served, and, of those that run, none as failing. */
  async settled(): Promise<void> {
    const running = this.nodes.filter(({ server }) => server.isRunning);
    const ports = new Set(running.map(portOf));
    await until(
      "the cluster is whole again",
      async () => {
        const views = await Promise.all(running.map(({ server }) => view(server)));
        return views.every((lines) => {
          const served = lines.filter(({ flags }) => isHealthyMaster(flags));
          const others = lines.filter(({ port }) => ports.has(port));
          return (
            served.reduce((sum, { slots }) => sum + slotCount(slots), 0) === SLOTS &&
            others.every(({ flags }) => !/fail|handshake|noaddr/.test(flags))
          );
        });
      },
      { patienceMs: PATIENCE_MS, everyMs: 30 },
    );
  }

  /** Waits until all replicas that run have what their masters have. */
  async synced(): Promise<void> {
    const running = this.servers.filter(({ isRunning }) => isRunning);
    const isSynced = async (server: RedisServer): Promise<boolean> => {
      const info = await server.command(["INFO", "replication"]);
      return !info.includes("role:slave") || info.includes("master_link_status:up");
    };
    await until(
      "the replicas have all",
      async () => (await Promise.all(running.map(isSynced))).every((isOne) => isOne),
      { patienceMs: PATIENCE_MS, everyMs: 30 },
    );
  }

  async #join(): Promise<void> {
    const [first, ...others] = this.nodes;
    for (const [index, { server }] of this.nodes.entries()) {
      await server.command(["CLUSTER", "SET-CONFIG-EPOCH", String(index + 1)]);
      if (index >= this.masters) continue;
      const from = Math.floor((index * SLOTS) / this.masters);
      const to = Math.floor(((index + 1) * SLOTS) / this.masters) - 1;
      await server.command(["CLUSTER", "ADDSLOTSRANGE", String(from), String(to)]);
    }
    for (const { server } of others) {
      await server.command(["CLUSTER", "MEET", "127.0.0.1", String(portOf(first)), String(first.busPort)]);
    }
    const waits = { patienceMs: PATIENCE_MS, everyMs: 20 };
    const knowAll = async (): Promise<boolean> => {
      const views = await Promise.all(this.servers.map(view));
      return views.every(
        (lines) =>
          lines.length === this.nodes.length && lines.every(({ flags }) => !/handshake|noaddr/.test(flags)),
      );
    };
    await until("the servers know each other", knowAll, waits);
    for (const [index, { server }] of this.nodes.entries()) {
      if (index < this.masters || index >= this.nodes.length - this.#empty) continue;
      const id = await this.nodes[index % this.masters].server.command(["CLUSTER", "MYID"]);
      await server.command(["CLUSTER", "REPLICATE", id]);
    }
    const isFormed = async (): Promise<boolean> => {
      const infos = await Promise.all(this.servers.map((server) => server.command(["CLUSTER", "INFO"])));
      const links = await Promise.all(this.servers.map((server) => server.command(["INFO", "replication"])));
      const views = await Promise.all(this.servers.map(view));
      return (
        infos.every((info) => info.includes("cluster_state:ok")) &&
        links.every((link) => !link.includes("role:slave") || link.includes("master_link_status:up")) &&
        views.every(
          (lines) => lines.filter(({ flags }) => /master/.test(flags)).length === this.masters + this.#empty,
        )
      );
    };
    await until("the cluster forms", isFormed, waits);
  }
}

interface NodeLine {
  readonly port: number;
  readonly flags: string;
  readonly slots: readonly string[];
}

async function view(server: RedisServer): Promise<NodeLine[]> {
  return linesOf(await server.command(["CLUSTER", "NODES"]));
}

function linesOf(text: string): NodeLine[] {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [, address = "", flags = "", , , , , , ...slots] = line.trim().split(" ");
      return { port: Number(/:(\d+)/.exec(address)?.[1] ?? 0), flags, slots };
    });
}

function isHealthyMaster(flags: string): boolean {
  return /master/.test(flags) && !/fail|handshake|noaddr/.test(flags);
}

function isWithin(range: string, slot: number): boolean {
  const [from, to = from] = range.split("-").map(Number);
  return from <= slot && slot <= to;
}

function slotCount(slots: readonly string[]): number {
  return slots.reduce((sum, range) => {
    // In brackets: one that moves, which its owner counts.
    if (range.startsWith("[")) return sum;
    const [from, to = from] = range.split("-").map(Number);
    return sum + to - from + 1;
  }, 0);
}

/** Under which the others know a node. */
function portOf({ server, proxy }: ClusterNode): number {
  return proxy?.port ?? server.port;
}

async function endNode({ server, proxy }: ClusterNode): Promise<void> {
  await server.stop();
  await proxy?.stop();
}
