/** A real Redis server, or a cluster of them, for one test: on a free port of this machine, in a folder of its own. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../support/until.ts";

const PROGRAM = "redis-server";
const PATIENCE_MS = 20_000;

/**
 * That the server's program is there. Tests that need it fail without it: what they prove would not be proven.
 *
 * @throws an Error that says how to get it.
 */
export function requireRedis(): void {
  const { error, status } = spawnSync(PROGRAM, ["--version"]);
  if (error === undefined && status === 0) return;
  throw new Error(
    `these tests need ${PROGRAM}: install it (Debian: apt-get install redis-server), or run .ci/run`,
  );
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** One server. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: ChildProcess | null = null;
  #isStopped = false;
  readonly #remove: () => void;

  private constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
    this.#folder = mkdtempSync(join(tmpdir(), "zbud-redis-"));
    this.#remove = () => {
      this.#process?.kill("SIGKILL");
      rmSync(this.#folder, { recursive: true, force: true });
    };
    process.once("exit", this.#remove);
  }

  /** Starts one. `args` are more of its options, such as `["--maxmemory", "2mb"]`. */
  static async start(args: readonly string[] = []): Promise<RedisServer> {
    requireRedis();
    // Somebody else may take the port between the look and the start.
    for (let tries = 0; ; tries++) {
      const server = new RedisServer(await freePort(), args);
      try {
        await server.restart();
        return server;
      } catch (error) {
        await server.stop();
        if (tries >= 5) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again, empty, on its port, after `kill`. */
  async restart(): Promise<void> {
    const fixed = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.#folder, "--save", ""];
    const log = join(this.#folder, "log");
    const child = spawn(PROGRAM, [...fixed, "--appendonly", "no", "--logfile", log, ...this.#args], {
      stdio: "ignore",
    });
    this.#process = child;
    const answers = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`${PROGRAM} ended:\n${readFileSync(log, "utf8")}`);
      return (await this.#tryCommand(["PING"])) === "+PONG";
    };
    await until(`${PROGRAM} answers on ${this.port}`, answers, { patienceMs: PATIENCE_MS, everyMs: 20 });
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  /** It takes connections, and does not answer, until `resume`. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** It answers writes with an error when it holds this many bytes; 0: never. */
  async limitMemory(bytes: number): Promise<void> {
    await this.command(["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    await this.command(["CONFIG", "SET", "maxmemory", String(bytes)]);
  }

  /** Sends a command past all client libraries. @returns the first line of the answer. */
  async command(words: readonly string[]): Promise<string> {
    const answer = await this.#tryCommand(words);
    if (answer === null) throw new Error(`${PROGRAM} on ${this.port} did not answer ${words[0]}`);
    if (answer.startsWith("-")) throw new Error(`${words.join(" ")}: ${answer}`);
    return answer;
  }

  /** Ends it, and removes what it left. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.resume();
    await this.kill();
    process.removeListener("exit", this.#remove);
    this.#remove();
  }

  async #tryCommand(words: readonly string[]): Promise<string | null> {
    const encoded = `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
    return await new Promise((resolve) => {
      const socket = connect(this.port, "127.0.0.1", () => socket.write(encoded));
      let text = "";
      const end = (answer: string | null): void => {
        socket.destroy();
        resolve(answer);
      };
      socket.setTimeout(5000, () => end(null));
      socket.on("error", () => end(null));
      socket.on("close", () => end(null));
      socket.on("data", (data) => {
        text += data.toString("latin1");
        // A bulk string's first line is its length.
        if (!text.includes("\r\n")) return;
        const lines = text.split("\r\n");
        if (!lines[0].startsWith("$") || lines[0] === "$-1") end(lines[0]);
        else if (text.endsWith("\r\n") && text.length > lines[0].length + 2)
          end(text.slice(lines[0].length + 2, -2));
      });
    });
  }
}

/** Three servers that divide the keys between them. */
export class RedisCluster {
  readonly servers: readonly RedisServer[];

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers;
  }

  static async start(): Promise<RedisCluster> {
    requireRedis();
    const servers: RedisServer[] = [];
    try {
      for (let index = 0; index < 3; index++) {
        // The servers of a cluster talk on a second port, by default 10,000 higher: that may not exist.
        const bus = String(await freePort());
        const options = ["--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000"];
        servers.push(await RedisServer.start([...options, "--cluster-config-file", `nodes-${index}.conf`]));
      }
      const cluster = new RedisCluster(servers);
      await cluster.#join();
      return cluster;
    } catch (error) {
      for (const server of servers) await server.stop();
      throw error;
    }
  }

  get urls(): string[] {
    return this.servers.map((server) => server.url);
  }

  async stop(): Promise<void> {
    for (const server of this.servers) await server.stop();
  }

  async #join(): Promise<void> {
    const [first] = this.servers;
    for (const [index, server] of this.servers.entries()) {
      const from = Math.floor((index * 16_384) / 3);
      const to = Math.floor(((index + 1) * 16_384) / 3) - 1;
      await server.command(["CLUSTER", "ADDSLOTSRANGE", String(from), String(to)]);
      await server.command(["CLUSTER", "SET-CONFIG-EPOCH", String(index + 1)]);
      if (server === first) continue;
      const bus = await busPortOf(first);
      await server.command(["CLUSTER", "MEET", "127.0.0.1", String(first.port), bus]);
    }
    const isFormed = async (): Promise<boolean> => {
      const views = await Promise.all(this.servers.map((server) => server.command(["CLUSTER", "NODES"])));
      const infos = await Promise.all(this.servers.map((server) => server.command(["CLUSTER", "INFO"])));
      return views.every(isWhole) && infos.every((info) => info.includes("cluster_state:ok"));
    };
    await until("the cluster forms", isFormed, { patienceMs: PATIENCE_MS, everyMs: 50 });
  }
}

/** The port on which a server of a cluster talks to the others. */
async function busPortOf(server: RedisServer): Promise<string> {
  const nodes = await server.command(["CLUSTER", "NODES"]);
  return /@(\d+)/.exec(nodes)?.[1] ?? "";
}

/** Whether a server sees all three, connected, with the keys that each of them has. */
function isWhole(nodes: string): boolean {
  const lines = nodes.trim().split("\n");
  return lines.length === 3 && lines.every((line) => /\bmaster\b.* connected \d+-\d+$/.test(line.trim()));
}
