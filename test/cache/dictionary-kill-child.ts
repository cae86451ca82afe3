/**
 * A process that brings a cache which others share so far that it learns a dictionary, and ends itself at a point: while
 * its worker learns, in the midst of the copy of what was learned, or just before all may read that.
 */
import * as threads from "node:worker_threads";
import { CompressedCache } from "../../src/cache/index.ts";
import { fill, record } from "./dictionary-helpers.ts";

export type KillPoint = "learning" | "copying" | "copied" | "stopped";

const [path, point] = process.argv.slice(2) as [string, KillPoint];
const end = (): void => void process.kill(process.pid, "SIGKILL");

if (point === "learning" || point === "stopped") {
  const { getBuiltinModule } = process;
  class Watched extends threads.Worker {
    constructor(...args: ConstructorParameters<typeof threads.Worker>) {
      super(...args);
      this.on("online", () => {
        if (point === "learning") end();
        else process.kill(process.pid, "SIGSTOP");
      });
    }
  }
  process.getBuiltinModule = ((name: string) =>
    name === "node:worker_threads" ? { ...threads, Worker: Watched } : getBuiltinModule(name)) as never;
} else {
  const { set } = Uint8Array.prototype;
  // What a worker learned goes from the memory that it has to that of the cache.
  Uint8Array.prototype.set = function (this: Uint8Array, from: Uint8Array, at = 0): void {
    const isPublished = [this, from].every(({ buffer }) => buffer instanceof SharedArrayBuffer);
    set.call(this, isPublished && point === "copying" ? from.subarray(0, from.length / 2) : from, at);
    if (isPublished) end();
  };
}

const cache = new CompressedCache<unknown>({ maxBytes: "8MiB", shared: path });
const { dictionary } = await fill(cache);
cache.set("from the child", record(1));
console.log(JSON.stringify(dictionary));
