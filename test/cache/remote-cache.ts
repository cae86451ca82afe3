import type { MessagePort, Worker } from "node:worker_threads";
import { builtin } from "../../src/base/index.ts";
import type {
  CacheKey,
  CompressedCache,
  RemovalReason,
  SharedCompressedCache,
} from "../../src/cache/index.ts";
import type { Value } from "./history-values.ts";

/** The methods that a handle in another thread does for a history. */
export const REMOTE_METHODS = [
  "set",
  "get",
  "peek",
  "has",
  "info",
  "touch",
  "pop",
  "delete",
  "deleteByTag",
  "clear",
  "purgeStale",
  "getRemainingTTL",
] as const;
export type RemoteMethods = Pick<CompressedCache<Value>, (typeof REMOTE_METHODS)[number]>;

export interface Question {
  method: (typeof REMOTE_METHODS)[number] | "attach" | "close";
  args: unknown[];
  now: number;
}

export interface Answer {
  result?: unknown;
  error?: unknown;
  removed: [CacheKey, RemovalReason][];
}

const threads = builtin<typeof import("node:worker_threads")>("node:worker_threads");
const PATIENCE_MS = 30_000;

/** A thread that does one call after the other, while this one waits for it: so a history is the same each time. */
export class RemoteThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #words = new Int32Array(new SharedArrayBuffer(8));

  constructor(url: URL) {
    const { Worker, MessageChannel } = threads as typeof import("node:worker_threads");
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(url, {
      workerData: { port: port2, words: this.#words },
      transferList: [port2],
    });
    this.#port.unref();
    this.#worker.unref();
  }

  ask(question: Question): Answer {
    const words = this.#words;
    this.#port.postMessage(question);
    Atomics.add(words, 0, 1);
    Atomics.notify(words, 0);
    if (Atomics.wait(words, 1, 0, PATIENCE_MS) === "timed-out") throw new Error("the thread does not answer");
    Atomics.store(words, 1, 0);
    const answer = this.#received();
    if (answer.error !== undefined) throw answer.error;
    return answer;
  }

  /** Whatever ends the wait for the word, the answer is there when it has come. */
  #received(): Answer {
    const { receiveMessageOnPort } = threads as typeof import("node:worker_threads");
    const end = performance.now() + PATIENCE_MS;
    while (performance.now() < end) {
      const received = receiveMessageOnPort(this.#port);
      if (received !== undefined) return received.message as Answer;
      Atomics.wait(this.#words, 1, 0, 1);
    }
    throw new Error("the thread's answer does not come");
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** The cache as another thread has it. */
export interface RemoteCache {
  readonly cache: RemoteMethods;
  close(): void;
}

export function remoteCache(
  thread: RemoteThread,
  shared: SharedCompressedCache,
  now: () => number,
  onRemoved: (key: CacheKey, reason: RemovalReason) => void,
): RemoteCache {
  const ask = (method: Question["method"], args: unknown[]): unknown => {
    // Of a view, a message carries the whole buffer; but it does not copy what is shared.
    const isOwn = (arg: unknown) => arg instanceof Uint8Array && arg.buffer instanceof ArrayBuffer;
    const own = args.map((arg) => (isOwn(arg) ? (arg as Uint8Array).slice() : arg));
    const { result, removed } = thread.ask({ method, args: own, now: now() });
    for (const event of removed) onRemoved(...event);
    return result;
  };
  ask("attach", [shared]);
  const methods = [...REMOTE_METHODS, "close" as const].map((name) => {
    return [name, (...args: unknown[]) => ask(name, args)];
  });
  const cache = Object.fromEntries(methods) as RemoteMethods & { close(): void };
  return { cache, close: () => cache.close() };
}
