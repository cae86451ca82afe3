/** A real Redis server for one test: on a free port of this machine, in a folder of its own. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Has the system end what it starts as soon as this process is gone, however that ended. */
const LEASH = ["setpriv", "--pdeathsig", "KILL", "--"];
let leash: readonly string[] | undefined;

/** The words before a program's name by which it does not outlive this process; none where the system has no such. */
function leashed(): readonly string[] {
  leash ??= spawnSync(LEASH[0], [...LEASH.slice(1), "true"]).status === 0 ? LEASH : [];
  return leash;
}

/** One server. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #args: readonly string[];
  /** Of a sentinel, its file of settings, which it writes itself too. */
  readonly #settings: string | null;
  #process: ChildProcess | null = null;
  #isStopped = false;
  #isPaused = false;
  readonly #remove: () => void;

  private constructor(port: number, args: readonly string[], settings: string | null) {
    this.port = port;
    this.#args = args;
    this.#folder = mkdtempSync(join(tmpdir(), "zbud-redis-"));
    this.#settings = settings === null ? null : join(this.#folder, "settings.conf");
    if (this.#settings !== null) writeFileSync(this.#settings, settings as string);
    this.#remove = () => {
      this.#process?.kill("SIGKILL");
      rmSync(this.#folder, { recursive: true, force: true });
    };
    process.once("exit", this.#remove);
  }

  /** Starts one. `args` are more of its options, such as `["--maxmemory", "2mb"]`. */
  static start(args: readonly string[] = []): Promise<RedisServer> {
    return RedisServer.#start(args, null);
  }

  /** Starts a sentinel with these lines of settings. */
  static startSentinel(settings: readonly string[]): Promise<RedisServer> {
    return RedisServer.#start(["--sentinel"], settings.map((line) => `${line}\n`).join(""));
  }

  static async #start(args: readonly string[], settings: string | null): Promise<RedisServer> {
    requireRedis();
    // Somebody else may take the port between the look and the start.
    for (let tries = 0; ; tries++) {
      const server = new RedisServer(await freePort(), args, settings);
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

  /** Whether it was started, and neither killed nor paused since. */
  get isRunning(): boolean {
    const child = this.#process;
    return child !== null && child.exitCode === null && child.signalCode === null && !this.#isPaused;
  }

  /** Starts it again, empty, on its port, after `kill`. A node of a cluster knows its place in that again. */
  async restart(): Promise<void> {
    const fixed = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.#folder, "--save", ""];
    const log = join(this.#folder, "log");
    const settings = this.#settings === null ? [] : [this.#settings];
    const [command, ...words] = [...leashed(), PROGRAM, ...settings, ...fixed];
    const child = spawn(command, [...words, "--appendonly", "no", "--logfile", log, ...this.#args], {
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
    this.#isPaused = false;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  /** It takes connections, and does not answer, until `resume`. */
  pause(): void {
    this.#isPaused = true;
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#isPaused = false;
    this.#process?.kill("SIGCONT");
  }

  /** It answers writes with an error when it holds this many bytes; 0: never. */
  async limitMemory(bytes: number): Promise<void> {
    await this.command(["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    await this.command(["CONFIG", "SET", "maxmemory", String(bytes)]);
  }

  /** Sends a command past all client libraries. @returns the first line of the answer. */
  async command(words: readonly (string | Buffer)[]): Promise<string> {
    const answer = await this.#tryCommand(words);
    if (answer === null) throw new Error(`${PROGRAM} on ${this.port} did not answer ${words[0]}`);
    if (answer.startsWith("-")) throw new Error(`${words.join(" ")}: ${answer}`);
    return answer;
  }

  /**
   * What it sets from now on: a line for each `SET`, also those of scripts, with the key and the value.
   *
   * @returns what gives all lines until then, and ends it.
   */
  async watchSets(): Promise<{ readonly sets: readonly string[]; end(): Promise<void> }> {
    const socket = connect(this.port, "127.0.0.1", () => socket.write("MONITOR\r\n"));
    let rest = "";
    let isWatching = false;
    let isOver = false;
    const sets: string[] = [];
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      isWatching = true;
      const lines = (rest + data.toString("latin1")).split("\r\n");
      rest = lines.pop() as string;
      for (const line of lines) {
        const set = /^\+[\d.]+ \[[^\]]*\] "set" (.*)$/i.exec(line);
        if (set !== null) sets.push(set[1]);
        isOver ||= line.includes("all was seen");
      }
    });
    await until("it is watched", () => isWatching);
    const end = async (): Promise<void> => {
      await this.command(["ECHO", "all was seen"]);
      await until("all was seen", () => isOver);
      socket.destroy();
    };
    return { sets, end };
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

  async #tryCommand(words: readonly (string | Buffer)[]): Promise<string | null> {
    const parts = words.map((word) => [`$${Buffer.byteLength(word)}\r\n`, word, "\r\n"]);
    const encoded = Buffer.concat([`*${words.length}\r\n`, ...parts.flat()].map((part) => Buffer.from(part)));
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
