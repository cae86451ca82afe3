/** A thread that does what a history's driver says, one call after the other. */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import {
  type CacheKey,
  CompressedCache,
  type RemovalReason,
  type SharedCompressedCache,
} from "../../src/cache/index.ts";
import type { Value } from "./history-values.ts";
import type { Answer, Question } from "./remote-cache.ts";

const { port, words } = workerData as { port: MessagePort; words: Int32Array };
let cache: CompressedCache<Value> | null = null;
let removed: [CacheKey, RemovalReason][] = [];
let now = 0;

function work({ method, args }: Question): unknown {
  if (method === "attach") {
    cache = CompressedCache.attach<Value>(args[0] as SharedCompressedCache, {
      clock: () => now,
      onRemoved: (...event) => removed.push(event),
    });
    return undefined;
  }
  const open = cache as CompressedCache<Value>;
  return (open[method] as (...args: unknown[]) => unknown).apply(open, args);
}

for (let done = 0; ; done++) {
  Atomics.wait(words, 0, done);
  const question = receiveMessageOnPort(port)?.message as Question;
  const answer: Answer = { removed: [] };
  now = question.now;
  try {
    answer.result = work(question);
  } catch (error) {
    answer.error = error;
  }
  answer.removed = removed;
  removed = [];
  port.postMessage(answer);
  Atomics.store(words, 1, 1);
  Atomics.notify(words, 1);
}
