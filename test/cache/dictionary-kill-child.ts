/**
 * A process that brings a cache which others share so far that it learns a dictionary, and ends itself at a point: while
 * its worker learns, in the midst of the copy of what was learned, or just before all may read that. With a number, of
 * the dictionary of that number: those before it are learned first.
 */
import * as threads from "node:worker_threads";
import { CompressedCache } from "../../src/cache/index.ts";
import { event, fill, fillUntilLearned, record } from "./dictionary-helpers.ts";

export type KillPoint = "learning" | "copying" | "copied" | "stopped";

const [path, point, nth = "1"] = process.argv.slice(2) as [string, KillPoint, string?];
const end = (): void => void process.kill(process.pid, "SIGKILL");
/** How often it got so far. */
let times = 0;

if (point === "learning" || point === "stopped") {
  const { getBuiltinModule } = process;
  class Watched extends threads.Worker {
    constructor(...args: ConstructorParameters<typeof threads.Worker>) {
      super(...args);
      this.on("online", () => {
        if (++times < Number(nth)) return;
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
    const isNow = isPublished && ++times === Number(nth);
    set.call(this, isNow && point === "copying" ? from.subarray(0, from.length / 2) : from, at);
    if (isNow) end();
  };
}

const cache = new CompressedCache<unknown>({ maxBytes: "8MiB", shared: path });
const { dictionary } = await fill(cache);
if (nth === "2") await fillUntilLearned(cache, event, 2);
cache.set("from the child", record(1));
console.log(JSON.stringify(dictionary));
