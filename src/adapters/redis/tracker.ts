import { waitAtMost, ZbudError } from "../../base/index.ts";
import type { Line, Master, RedisLink } from "./link.ts";

/** Where a server of RESP2 tells what changed. */
const CHANNEL = "__redis__:invalidate";
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 2000;

export interface Tracking {
  readonly prefix: Buffer;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
  /** The machine's steady clock. */
  readonly now: () => number;
  readonly began: () => void;
  readonly alive: (sentAt: number) => void;
  readonly broke: () => void;
  readonly told: (keys: readonly Buffer[] | null) => void;
}

/**
 * Has every master tell what is written under the prefix (`CLIENT TRACKING … BCAST`), on connections of its own, and asks
 * them again and again whether they live. A connection that ends or does not answer, and masters that change, are a break:
 * then all begins anew.
 *
 * Not `NOLOOP`: a machine writes by several connections, of several threads, and is told of its own writes in any case.
 */
export class Tracker {
  readonly #link: RedisLink;
  readonly #options: Tracking;
  readonly #stopping: AbortController = new AbortController();
  #failures = 0;

  constructor(link: RedisLink, options: Tracking) {
    this.#link = link;
    this.#options = options;
    void this.#run();
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let hasBegun = false;
      const lines: Line[] = [];
      const broken = new AbortController();
      const either = AbortSignal.any([signal, broken.signal]);
      try {
        const masters = await this.#inTime(this.#link.masters(), either);
        const opening = masters.map(async (master) => lines.push(await this.#track(master, broken)));
        await this.#inTime(Promise.all(opening), either);
        broken.signal.throwIfAborted();
        if (signal.aborted) break;
        hasBegun = true;
        this.#options.began();
        await this.#beat(masters, lines, either);
      } catch {
        // Whatever it was, it is tried again.
      } finally {
        // A line that opens from here on is closed at once.
        broken.abort();
        for (const line of lines) line.close();
      }
      if (signal.aborted) return;
      if (hasBegun) this.#options.broke();
      const wait = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(10, this.#failures++));
      await rest(wait, signal);
    }
  }

  /** Asks all masters whether they live, until one does not answer in time. */
  async #beat(masters: readonly Master[], lines: readonly Line[], ended: AbortSignal): Promise<void> {
    const { heartbeatMs, timeoutMs, now, alive } = this.#options;
    const ids = idsOf(masters);
    for (;;) {
      const sentAt = now();
      // What was acknowledged before this was sent is told before it is answered.
      const pings = lines.map((line) => line.ping());
      if (this.#link.isCluster) pings.push(this.#isSame(ids));
      // The other half is for what is compared when it is told.
      await this.#inTime(Promise.all(pings), ended, timeoutMs / 2);
      this.#failures = 0;
      alive(sentAt);
      await rest(heartbeatMs - (now() - sentAt), ended);
      ended.throwIfAborted();
    }
  }

  async #isSame(ids: string): Promise<void> {
    const masters = await this.#link.masters();
    if (idsOf(masters) !== ids) throw new ZbudError("EAGAIN", "other servers have the keys now");
  }

  async #track(master: Master, broken: AbortController): Promise<Line> {
    const line = await master.open(() => broken.abort());
    try {
      broken.signal.throwIfAborted();
      await track(line, this.#options.prefix, (keys) => {
        try {
          this.#options.told(keys);
        } catch {
          // What could not be told was not told.
          broken.abort();
        }
      });
    } catch (error) {
      line.close();
      throw error;
    }
    return line;
  }

  #inTime<T>(promise: Promise<T>, ended: AbortSignal, ms: number = this.#options.timeoutMs): Promise<T> {
    const late = (): ZbudError => new ZbudError("ETIMEDOUT", `the server did not answer within ${ms} ms`);
    return waitAtMost(promise, ms, late, ended);
  }
}

/** Has a server tell on a connection what changes under a prefix. */
export async function track(
  line: Line,
  prefix: Buffer,
  told: (keys: readonly Buffer[] | null) => void,
): Promise<void> {
  const id = String(await line.send(["client", "id"]));
  const words = ["client", "tracking", "on", "redirect", id, "bcast"];
  await line.send(prefix.length === 0 ? words : [...words, "prefix", prefix]);
  await line.subscribe(CHANNEL, told);
}

function idsOf(masters: readonly Master[]): string {
  return masters
    .map(({ id }) => id)
    .sort()
    .join();
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.max(0, ms));
    timer.unref();
    signal.addEventListener("abort", end);
  });
}
