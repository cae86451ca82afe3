/** Processes, or threads, that share a cache, and how a test has them load, wait and die. */

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import {
  type CacheKey,
  type CacheStats,
  type CacheThreadOptions,
  CompressedCache,
  type CompressedCacheOptions,
  type GetOrSetOptions,
  type SetOptions,
  type SharedCompressedCache,
} from "../../src/cache/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { until } from "../support/until.ts";

const SCRIPT = join(import.meta.dirname, "loading-peer.ts");

/** The options of a cache that processes share, or what another thread shared. */
export interface CacheOfPeer {
  readonly options: CompressedCacheOptions<unknown>;
  readonly shared?: SharedCompressedCache;
  readonly threadOptions?: CacheThreadOptions<unknown>;
}

/** How a load ends. */
export type Outcome = "fails" | "undefined" | "large" | { readonly value: unknown };

export type Order =
  | { readonly do: "open"; readonly cache: CacheOfPeer }
  | { readonly do: "ask"; readonly key: CacheKey; readonly options?: GetOrSetOptions }
  | { readonly do: "end"; readonly key: CacheKey; readonly with: Outcome }
  | { readonly do: "abort" | "leave"; readonly id: number }
  | { readonly do: "set"; readonly key: CacheKey; readonly value: unknown; readonly options?: SetOptions }
  | { readonly do: "get" | "delete"; readonly key: CacheKey }
  | { readonly do: "deleteByTag"; readonly tag: string }
  | { readonly do: "clear" | "stats" | "close" };

export type Answer =
  | { readonly loading: CacheKey }
  | { readonly aborted: CacheKey }
  | { readonly id: number; readonly value?: unknown; readonly error?: string };

/** A call of `getOrSet` in a peer. */
export interface Asked {
  readonly id: number;
  readonly result: Promise<unknown>;
  isSettled: boolean;
}

/** A process or thread that shares a cache with others. */
export class Peer {
  /** Keys whose loader was called, in their order, and those whose loader was told that nobody waits. */
  loads: CacheKey[] = [];
  aborted: CacheKey[] = [];
  /** It is ending, or has ended. */
  isOver = false;
  readonly #on: ChildProcess | Worker;
  readonly #open: Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }> =
    new Map();
  readonly #exited: Promise<number | null>;
  #last = 0;

  constructor(on: ChildProcess | Worker) {
    this.#on = on;
    this.#exited = once(on, "exit").then(([code]) => {
      this.isOver = true;
      for (const { reject } of this.#open.values()) reject(new Error("the peer has ended"));
      return code;
    });
    on.on("message", (answer: Answer) => this.#receive(answer));
  }

  /** Closes the cache that it had before. */
  async open(cache: CacheOfPeer): Promise<void> {
    await this.#order({ do: "open", cache });
    this.loads = [];
    this.aborted = [];
  }

  ask(key: CacheKey, options: GetOrSetOptions = {}): Asked {
    const result = this.#order({ do: "ask", key, options });
    const asked: Asked = { id: this.#last, result, isSettled: false };
    const settle = (): void => {
      asked.isSettled = true;
    };
    result.then(settle, settle);
    return asked;
  }

  /** Until its loader was called so many times. */
  async untilLoading(count = 1): Promise<void> {
    await until(`a peer loads ${count} times`, () => this.loads.length >= count);
  }

  async end(key: CacheKey, outcome: Outcome): Promise<void> {
    await this.#order({ do: "end", key, with: outcome });
  }

  async abort(asked: Asked): Promise<void> {
    await this.#order({ do: "abort", id: asked.id });
  }

  async set(key: CacheKey, value: unknown, options: SetOptions = {}): Promise<unknown> {
    return await this.#order({ do: "set", key, value, options });
  }

  async get(key: CacheKey): Promise<unknown> {
    return await this.#order({ do: "get", key });
  }

  async delete(key: CacheKey): Promise<unknown> {
    return await this.#order({ do: "delete", key });
  }

  async deleteByTag(tag: string): Promise<unknown> {
    return await this.#order({ do: "deleteByTag", tag });
  }

  async clear(): Promise<void> {
    await this.#order({ do: "clear" });
  }

  async stats(): Promise<CacheStats> {
    return (await this.#order({ do: "stats" })) as CacheStats;
  }

  /** Closes the cache, and waits until the process or thread has ended, since nothing keeps it. */
  async close(): Promise<void> {
    this.isOver = true;
    this.#post({ do: "close" });
    assert.equal(await this.#exited, 0);
  }

  /**
   * Lets it end as soon as nothing keeps it but the call.
   *
   * @returns its exit code: the number that the call gave, or 0 if it ended before.
   */
  async leave({ id }: Asked): Promise<number | null> {
    this.isOver = true;
    this.#post({ do: "leave", id });
    return await this.#exited;
  }

  /** Ends it at once, wherever it is. */
  async kill(): Promise<void> {
    this.isOver = true;
    if (this.#on instanceof Worker) await this.#on.terminate();
    else this.#on.kill("SIGKILL");
    await this.#exited;
  }

  /** Stops a process, or lets it go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    assert.ok(!(this.#on instanceof Worker));
    this.#on.kill(signal);
  }

  #order(order: Order): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#post(order);
    this.#open.set(this.#last, { resolve, reject });
    // Who does not wait does not mind.
    promise.catch(() => undefined);
    return promise;
  }

  #post(order: Order): void {
    const message = { id: ++this.#last, order };
    if (this.#on instanceof Worker) this.#on.postMessage(message);
    else this.#on.send(message);
  }

  #receive(answer: Answer): void {
    if ("loading" in answer) this.loads.push(answer.loading);
    else if ("aborted" in answer) this.aborted.push(answer.aborted);
    else if (answer.error !== undefined) this.#open.get(answer.id)?.reject(new Error(answer.error));
    else this.#open.get(answer.id)?.resolve(answer.value);
  }
}

/** Processes, or threads, which one test after the other uses: to start one takes a second. */
export class Peers {
  readonly #isProcesses: boolean;
  #all: Peer[] = [];

  constructor(kind: "processes" | "threads") {
    this.#isProcesses = kind === "processes";
  }

  /** So many of them, at a cache that nobody used before. */
  async open(count: number, lockTimeout: number): Promise<Peer[]> {
    this.#all = this.#all.filter(({ isOver }) => !isOver);
    while (this.#all.length < count) this.#all.push(this.#start());
    const options = { maxBytes: "2MiB", tags: true } as const;
    const cache: CacheOfPeer = this.#isProcesses
      ? { options: { ...options, shared: freshPath(), lockTimeout } }
      : { options, shared: new CompressedCache(options).share(), threadOptions: { lockTimeout } };
    const peers = this.#all.slice(0, count);
    await Promise.all(peers.map((peer) => peer.open(cache)));
    return peers;
  }

  async end(): Promise<void> {
    await Promise.all(this.#all.map((peer) => peer.kill()));
  }

  #start(): Peer {
    return new Peer(
      this.#isProcesses
        ? fork(SCRIPT, { execArgv: ["--disable-warning=ExperimentalWarning"] })
        : new Worker(SCRIPT),
    );
  }
}
