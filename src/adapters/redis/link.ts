import { show, ZbudError } from "../../base/index.ts";

/** What a command is made of. */
export type RedisWord = string | Buffer;

/** Sends a command to one server. */
type Ask = (words: readonly RedisWord[]) => Promise<unknown>;

/** One server of those that have the keys, or may be given some. */
export interface Master {
  readonly id: string;
  /** Null: no keys are its own yet, and the client may not know it. */
  readonly send: Ask | null;
  /** A connection of its own that is not made anew when it breaks. */
  open(ended: () => void): Promise<Line>;
}

/** A connection on which a server tells. */
export interface Line {
  send(words: readonly RedisWord[]): Promise<unknown>;
  /** @param told - given the keys that changed, or null: all. */
  subscribe(channel: string, told: (keys: readonly Buffer[] | null) => void): Promise<void>;
  ping(): Promise<unknown>;
  close(): void;
}

/** What this library needs of a client, whatever it is of: replies have Buffers for strings. */
export interface RedisLink {
  readonly library: string;
  readonly isCluster: boolean;
  /** What the client writes in front of every key; here that is done by the names of keys. */
  readonly keyPrefix: string;
  /** Whether its user closed the client. */
  readonly isClosed: boolean;
  /** Sends a command to the server that has the key. It is executed once at most, and rejects if its connection breaks. */
  send(key: Buffer, words: readonly RedisWord[]): Promise<unknown>;
  /** The servers that have the keys at this moment. */
  masters(): Promise<Master[]>;
  /** Ends what was opened for the link. */
  close(): void;
}

/** The type of RESP for strings: what a type mapping of node-redis is by. */
const BLOB_STRING = 36;
/** Options of a command of node-redis that is sent in this turn. */
const AT_ONCE = { timeout: undefined };

/** A client of the package `redis`, or one of its nodes. */
interface NodeRedis {
  readonly options?: { readonly socket?: object };
  readonly isReady: boolean;
  readonly isOpen: boolean;
  sendCommand(words: readonly RedisWord[], options?: object): Promise<unknown>;
  withTypeMapping(mapping: object): NodeRedis;
  duplicate(options?: object): NodeRedisLine;
}

interface NodeRedisLine extends NodeRedis {
  connect(): Promise<unknown>;
  on(event: string, listener: (error?: unknown) => void): unknown;
  subscribe(channel: string, listener: (message: unknown) => void, asBuffers: true): Promise<unknown>;
  ping(): Promise<unknown>;
  destroy(): void;
}

interface NodeRedisCluster {
  readonly isOpen: boolean;
  readonly masters: readonly object[];
  nodeClient(node: object): NodeRedis | Promise<NodeRedis>;
  sendCommand(key: Buffer, isReadonly: boolean, words: readonly RedisWord[]): Promise<unknown>;
  withTypeMapping(mapping: object): NodeRedisCluster;
}

interface NodeRedisSentinel {
  readonly isOpen: boolean;
  /** Calls it with the master's client, and again after a break, also if the first call came to the master. */
  _execute(isReadonly: false, call: (master: NodeRedis) => Promise<unknown>): Promise<unknown>;
}

/** A client of `ioredis` or `iovalkey`, of one server or of a cluster. */
interface IoClient {
  readonly status: string;
  readonly options: { readonly keyPrefix?: unknown };
  callBuffer(...words: RedisWord[]): Promise<unknown>;
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** Such a client of one server, or a node of a cluster. */
interface IoRedis extends IoClient {
  readonly options: { readonly keyPrefix?: unknown; readonly db?: number };
  /** What holds for its connection. */
  readonly condition?: { readonly select?: number } | null;
  duplicate(options: object): IoRedis;
  subscribe(channel: string): Promise<unknown>;
  ping(): Promise<unknown>;
}

/** Of a cluster, with the command that comes before one to a server which does not have its keys yet. */
interface IoRedisNode extends IoRedis {
  asking(): Promise<unknown>;
}

interface IoRedisCluster extends IoClient {
  readonly isCluster: true;
  readonly options: {
    readonly keyPrefix?: unknown;
    readonly redisOptions?: { readonly reconnectOnError?: ((error: Error) => unknown) | null };
  };
  duplicate(nodes: readonly never[], options: object): IoRedisCluster;
  nodes(role: "master"): IoRedis[];
  refreshSlotsCache(): void;
}

/**
 * What a client can do, by its methods.
 *
 * @throws {ZbudError} `EINVAL` if it is none of those that are known.
 */
export function linkOf(client: unknown): RedisLink {
  const has = (name: string): boolean =>
    typeof (client as Record<string, unknown> | null)?.[name] === "function";
  if (typeof client === "object" && client !== null) {
    if (has("callBuffer") && (client as Partial<IoRedisCluster>).isCluster === true)
      return ioCluster(client as IoRedisCluster);
    if (has("callBuffer") && has("duplicate")) return ioSingle(client as IoRedis);
    if (has("withTypeMapping") && has("nodeClient")) return nodeCluster(client as NodeRedisCluster);
    if (has("withTypeMapping") && has("getSentinelNode")) return nodeSentinel(client as NodeRedisSentinel);
    if (has("withTypeMapping") && has("duplicate")) return nodeSingle(client as NodeRedis);
  }
  throw new ZbudError(
    "EINVAL",
    `client must be a client of redis (5 or later), ioredis or iovalkey, such as await createClient().connect(), not ${show(client)}`,
  );
}

/** A client of `redis` rejects what had no answer when its connection broke, but for sentinels; it writes keys as they are. */
const NOTHING_OWN = { keyPrefix: "", close: (): void => undefined };

function nodeSingle(client: NodeRedis): RedisLink {
  const bytes = client.withTypeMapping({ [BLOB_STRING]: Buffer });
  // Its time for each command is for what waits until it can be sent, and costs more than all else that it does.
  const send = (words: readonly RedisWord[]): Promise<unknown> =>
    bytes.sendCommand(words, client.isReady ? AT_ONCE : undefined);
  const master: Master = { id: "", send, open: (ended) => nodeLine(client, {}, ended) };
  return {
    library: "redis",
    isCluster: false,
    ...NOTHING_OWN,
    get isClosed(): boolean {
      return !client.isOpen;
    },
    send: (_, words) => send(words),
    masters: async () => [master],
  };
}

/** node-redis gives no way to a connection of one's own to the master that its sentinels name. */
function nodeSentinel(client: NodeRedisSentinel): RedisLink {
  const send = (words: readonly RedisWord[]): Promise<unknown> => {
    let isSent = false;
    return client._execute(false, (master) => {
      if (isSent) throw new ZbudError("EIO", "the connection broke");
      isSent = true;
      return master.sendCommand(words, { typeMapping: { [BLOB_STRING]: Buffer } });
    });
  };
  const open = (): Promise<Line> => {
    throw new ZbudError(
      "ENOTSUP",
      'a sentinel client of redis has no connection on which the server can tell; use ioredis or iovalkey with sentinels, or coherence: "ttl"',
    );
  };
  return {
    library: "redis",
    isCluster: false,
    ...NOTHING_OWN,
    get isClosed(): boolean {
      return !client.isOpen;
    },
    send: (_, words) => send(words),
    masters: async () => [{ id: "", send, open }],
  };
}

function nodeCluster(client: NodeRedisCluster): RedisLink {
  const bytes = client.withTypeMapping({ [BLOB_STRING]: Buffer });
  const nodes = async (): Promise<[NodeRedis, Ask][]> => {
    return await Promise.all(
      client.masters.map(async (master): Promise<[NodeRedis, Ask]> => {
        const node = await client.nodeClient(master);
        return [node, (words) => node.withTypeMapping({ [BLOB_STRING]: Buffer }).sendCommand(words)];
      }),
    );
  };
  return {
    library: "redis",
    isCluster: true,
    ...NOTHING_OWN,
    get isClosed(): boolean {
      return !client.isOpen;
    },
    send: (key, words) => bytes.sendCommand(key, false, words),
    masters: () => clusterMasters(nodes, (node, place, ended) => nodeLine(node, { socket: place }, ended)),
  };
}

async function nodeLine(from: NodeRedis, { socket }: { socket?: object }, ended: () => void): Promise<Line> {
  const line = from.duplicate({
    RESP: 2,
    clientSideCache: undefined,
    emitInvalidate: undefined,
    maintNotifications: "disabled",
    socket: { ...from.options?.socket, ...socket, reconnectStrategy: false },
  });
  line.on("error", ended);
  line.on("end", ended);
  await line.connect();
  return {
    send: (words) => line.sendCommand(words),
    subscribe: async (channel, told) => {
      await line.subscribe(channel, (keys) => told(keys as readonly Buffer[] | null), true);
    },
    ping: () => line.ping(),
    close: () => {
      try {
        line.destroy();
      } catch {
        // It has ended.
      }
    },
  };
}

/** Told why a connection failed. */
type Failed = (error: unknown) => void;

/**
 * A client of the link's own, with the settings of the user's. That one sends again what had no answer when its connection
 * broke, as soon as it has another one, however late: a write would be executed twice, the second time over what others wrote
 * meanwhile. This one rejects it.
 */
class IoOwn<Client extends IoClient> {
  readonly #users: Client;
  readonly #open: (failed: Failed) => Client;
  #client: Client | null = null;
  /** Why a connection of it failed last. */
  #error: unknown = null;
  #isClosed = false;
  #isEnded = false;
  readonly #end = (): void => {
    this.#isEnded = true;
    this.#client?.disconnect();
    this.#client = null;
  };

  constructor(users: Client, open: (failed: Failed) => Client) {
    this.#users = users;
    this.#open = open;
    // Who ends the one does not want the other to keep the process alive.
    users.on("end", this.#end);
  }

  /** Whether the user's client has ended, and was not connected again. */
  get isEnded(): boolean {
    const { status } = this.#users;
    // That of a cluster of ioredis is "close" once more after its end.
    if (status !== "close") this.#isEnded = status === "end";
    return this.#isEnded;
  }

  /** @throws {ZbudError} `EIO`: the user's client has ended, or the link was closed. */
  get client(): Client {
    if (this.#isClosed || this.isEnded) throw new ZbudError("EIO", "the client was closed");
    // It ends by itself when its settings say that it has tried to connect often enough.
    if (this.#client === null || this.#client.status === "end") {
      this.#error = null;
      this.#client = this.#open((error) => {
        this.#error = error;
      });
      // The user's client has errors of the same kind.
      this.#client.on("error", () => undefined);
    }
    return this.#client;
  }

  async connected(): Promise<Client> {
    const { client } = this;
    if (client.status !== "wait") return client;
    try {
      await client.connect();
    } catch (error) {
      // The library says that there is no connection; why, it tells only listeners.
      throw this.#error ?? error;
    }
    return client;
  }

  async send(words: readonly RedisWord[]): Promise<unknown> {
    return await this.client.callBuffer(...words);
  }

  close(): void {
    this.#isClosed = true;
    this.#users.off("end", this.#end);
    this.#end();
  }
}

/** At each break of a connection all that has no answer is rejected: nothing is left to be sent again. */
const SENT_ONCE = { maxRetriesPerRequest: 0, keyPrefix: "" };

function ioSingle(client: IoRedis): RedisLink {
  const { options } = client;
  const own = new IoOwn(client, (failed) => {
    // Not the database of its options: the user may have chosen another one since.
    const db = client.condition?.select ?? options.db;
    const duplicate = client.duplicate({ ...SENT_ONCE, lazyConnect: true, db });
    duplicate.on("error", failed);
    return duplicate;
  });
  const send = (words: readonly RedisWord[]): Promise<unknown> => own.send(words);
  const open = (ended: () => void): Promise<Line> => ioLine(own.client, {}, ended);
  return {
    library: "ioredis",
    isCluster: false,
    keyPrefix: String(options.keyPrefix ?? ""),
    get isClosed(): boolean {
      return own.isEnded;
    },
    send: (_, words) => send(words),
    masters: async () => {
      await own.connected();
      return [{ id: "", send, open }];
    },
    close: () => own.close(),
  };
}

function ioCluster(client: IoRedisCluster): RedisLink {
  const { keyPrefix, redisOptions } = client.options;
  const options = {
    keyPrefix: "",
    redisOptions: {
      ...redisOptions,
      ...SENT_ONCE,
      reconnectOnError: (error: Error) => {
        // What a slot that moves refuses is sent again, to whatever server, unless the library does not see what it is.
        if (error.message.startsWith("TRYAGAIN")) error.message = `half moved: ${error.message}`;
        return redisOptions?.reconnectOnError?.(error) ?? false;
      },
    },
    lazyConnect: true,
    // After such a delay a cluster sends again what had no answer.
    retryDelayOnFailover: 0,
    // A replica may have what was there before.
    scaleReads: "master",
    shardedSubscribers: false,
  };
  const own = new IoOwn(client, (failed) => {
    const cluster = client.duplicate([], options);
    cluster.on("+node", (node: IoRedisNode) => {
      catchAsking(node);
      // By such a one it is asked who has which keys.
      const duplicate = node.duplicate.bind(node);
      node.duplicate = (options) => {
        const other = duplicate(options);
        other.on("error", failed);
        return other;
      };
    });
    return cluster;
  });
  const nodes = async (): Promise<[IoRedis, Ask][]> => {
    const cluster = await own.connected();
    return cluster
      .nodes("master")
      .map((node): [IoRedis, Ask] => [node, (words) => node.callBuffer(...words)]);
  };
  return {
    library: "ioredis",
    isCluster: true,
    keyPrefix: String(keyPrefix ?? ""),
    get isClosed(): boolean {
      return own.isEnded;
    },
    send: (_, words) => own.send(words),
    masters: async () => {
      try {
        return await clusterMasters(nodes, (node, place, ended) => ioLine(node, place, ended));
      } catch (error) {
        // A node whose connection broke is forgotten until then.
        own.client.refreshSlotsCache();
        throw error;
      }
    },
    close: () => own.close(),
  };
}

/**
 * Nobody in the library waits for the answer to an `ASKING`: if its connection ends, that would be an unhandled rejection,
 * which ends the process. The command that comes behind it fails as well, and says so.
 */
function catchAsking(node: IoRedisNode): void {
  const asking = node.asking.bind(node);
  node.asking = async () => await asking().catch(() => undefined);
}

async function ioLine(from: IoRedis, place: object, ended: () => void): Promise<Line> {
  const line = from.duplicate({
    ...place,
    lazyConnect: true,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    reconnectOnError: null,
    autoResubscribe: false,
    enableOfflineQueue: true,
    enableReadyCheck: false,
    readOnly: false,
    maxRetriesPerRequest: 0,
  });
  line.on("error", () => ended());
  line.on("end", () => ended());
  await line.connect();
  return {
    send: (words) => line.callBuffer(...words),
    subscribe: async (channel, told) => {
      line.on("messageBuffer", (_from: Buffer, keys: unknown) => told(keys as readonly Buffer[] | null));
      await line.subscribe(channel);
    },
    ping: () => line.ping(),
    close: () => line.disconnect(),
  };
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/**
 * The masters of a cluster as its nodes know them now; all of those that a library knows must agree, and be well: one that
 * was cut off from the others may not know yet that it is no master any more.
 *
 * A master without keys of its own is one of them as soon as one node knows it: while a slot moves to it, it has keys that
 * others change, and `CLUSTER SLOTS` does not name it before the last of them is there. Nobody moves a slot to it whose
 * own node does not know it.
 */
async function clusterMasters<Node>(
  nodesOf: () => Promise<[Node, Ask][]>,
  open: (node: Node, place: Place, ended: () => void) => Promise<Line>,
): Promise<Master[]> {
  const nodes = await nodesOf();
  const views = await Promise.all(nodes.map(([, ask]) => viewOf(ask)));
  const [first] = views;
  const asks = new Map(views.map((view) => [view?.id, view?.ask]));
  const text = idsOf(first?.places);
  // A library that does not know all of them yet learns of them soon.
  const isOne = views.every((view) => view !== null && idsOf(view.places) === text);
  const isWhole = [...(first?.places.keys() ?? [])].every((id) => asks.has(id));
  if (text === "" || !isOne || !isWhole)
    throw new ZbudError("EAGAIN", "the nodes of the cluster do not agree at this moment who has which keys");
  const [[template]] = nodes;
  const places = new Map([...(first?.places ?? []), ...views.flatMap((view) => [...(view?.empty ?? [])])]);
  return [...places].map(([id, place]) => ({
    id: `${id} ${place.host}:${place.port}`,
    send: asks.get(id) ?? null,
    open: (ended) => open(template, place, ended),
  }));
}

/** A cluster as one of its nodes sees it. */
interface View {
  readonly id: string;
  readonly ask: Ask;
  readonly places: ReadonlyMap<string, Place>;
  /** Masters that have no keys of their own. */
  readonly empty: ReadonlyMap<string, Place>;
}

/** Null: the node is not well. */
async function viewOf(ask: Ask): Promise<View | null> {
  const words = ["slots", "info", "myid"].map((what) => ask(["cluster", what]));
  const [answer, info, id] = await Promise.all(words);
  if (!String(info).includes("cluster_state:ok")) return null;
  const slots = answer as SlotRange[];
  const named = new Set(slots.flatMap(([, , ...nodes]) => nodes.map(([, , node]) => String(node))));
  const isAll = Number(/cluster_known_nodes:(\d+)/.exec(String(info))?.[1]) === named.size;
  const empty = isAll ? new Map<string, Place>() : emptyOf(String(await ask(["cluster", "nodes"])));
  return { id: String(id), ask, places: placesOf(slots), empty };
}

function idsOf(places: ReadonlyMap<string, Place> | undefined): string {
  return [...(places?.keys() ?? [])].sort().join();
}

/** Of `CLUSTER SLOTS`: the first and the last slot, its master, and the replicas of that. */
type SlotRange = readonly [unknown, unknown, ...(readonly [Buffer | null, number, Buffer])[]];

/** The masters that `CLUSTER SLOTS` names, by their ids. */
function placesOf(slots: readonly SlotRange[]): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const [, , [host, port, id]] of slots) {
    places.set(String(id), { host: String(host), port: Number(port) });
  }
  return places;
}

/** The masters that `CLUSTER NODES` names without slots. */
function emptyOf(nodes: string): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const line of nodes.split("\n")) {
    const [id, address, flags = "", , , , , , ...slots] = line.trim().split(" ");
    // A slot in brackets is one that moves.
    const isEmpty = slots.every((slot) => slot.startsWith("["));
    const isMaster = /\bmaster\b/.test(flags) && !/\bfail\b(?!\?)|handshake|noaddr/.test(flags);
    const found = /^(.*):(\d+)@\d+(?:,([^,]+))?/.exec(address);
    if (isEmpty && isMaster && found !== null) {
      const [, ip, port, name] = found;
      places.set(id, { host: name ?? ip, port: Number(port) });
    }
  }
  return places;
}
