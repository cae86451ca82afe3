import { hash, randomBytes } from "node:crypto";
import { faultOf } from "../../backing/index.ts";
import { show, waitAtMost, ZbudError } from "../../base/index.ts";
import type { Master, RedisLink, RedisWord } from "./link.ts";
import { headBytes, type Names } from "./names.ts";
import { track } from "./tracker.ts";

/** The first version of Redis that tells by prefix. */
const MAJOR_MIN = 6;
const UNLOCK: Script = script(
  'if redis.call("get",KEYS[1])==ARGV[1] then return redis.call("del",KEYS[1]) end return 0',
);
const RENEW: Script = script(
  'if redis.call("get",KEYS[1])==ARGV[1] then return redis.call("pexpire",KEYS[1],ARGV[2]) end return 0',
);
/** KEYS: what is set, its fence, and the lock that is broken by it. ARGV: the write's id, the value, its time in ms. */
const SET: Script = script(
  'if redis.call("sismember",KEYS[2],ARGV[1])==1 then return 0 end ' +
    'if ARGV[3]=="0" then redis.call("set",KEYS[1],ARGV[2]) else redis.call("set",KEYS[1],ARGV[2],"px",ARGV[3]) end ' +
    'if KEYS[3] then redis.call("unlink",KEYS[3]) end return 1',
);
const SET_LOADED: Script = script(
  'if redis.call("get",KEYS[2])~=ARGV[1] then return 0 end ' +
    'if ARGV[3]=="0" then redis.call("set",KEYS[1],ARGV[2]) else redis.call("set",KEYS[1],ARGV[2],"px",ARGV[3]) end return 1',
);
/** KEYS: the fence. ARGV: how long it stands, and the ids of writes that may not take effect any more. */
const FENCE: Script = script(
  'for i=2,#ARGV do redis.call("sadd",KEYS[1],ARGV[i]) end return redis.call("pexpire",KEYS[1],ARGV[1])',
);
const SWEEP: Script = script(
  'if redis.call("getrange",KEYS[1],8,15)~=ARGV[1] then return redis.call("unlink",KEYS[1]) end return 0',
);
/** How long a connection that broke may still bring what was sent on it: longer than any system sends again. */
const FENCE_MS = 3_600_000;
/** Keys that one look of a sweep gives, about. */
const SWEPT = 500;

/** In the first byte of a version. */
const DELETES = 0x80;

/** A server's answer that something is not allowed. */
const FORBIDDEN = /^NOPERM|no permissions/i;

/**
 * Whether a server answered that a slot is half moved to another one, and a command's keys are not all on one side: nothing
 * was done. A command of one key finds it on either side.
 */
export function isHalfMoved(error: unknown): boolean {
  return String((error as Error | null)?.message).includes("TRYAGAIN");
}

/** What a server does at once; it is sent whole only to one that does not know it. */
interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: hash("sha1", text) };
}

/**
 * The commands that the tier sends. Each rejects with a fault, after the time at the latest.
 *
 * A write whose connection broke may still be on its way, in the network or in the server's own buffer, and take effect
 * when somebody else has long set something newer. So each has an id, and before anything else is said of its key the
 * server is told of the ids that have no answer, which it refuses from then on (its *fence*, in a key beside that key).
 */
export class Server {
  readonly #link: RedisLink;
  readonly #timeoutMs: number;
  readonly #names: Names;
  readonly #writer: string = randomBytes(6).toString("base64");
  #writes = 0;
  /** By key: ids of writes without an answer. */
  readonly #open: Map<string, Set<string>> = new Map();

  constructor(link: RedisLink, timeoutMs: number, names: Names) {
    this.#link = link;
    this.#timeoutMs = timeoutMs;
    this.#names = names;
  }

  get(key: Buffer, signal?: AbortSignal): Promise<Buffer | null> {
    return this.#read(key, ["get", key], signal) as Promise<Buffer | null>;
  }

  /** As much of a value as its record's head and so many tags take; empty if there is none. */
  getHead(key: Buffer, tags: number, timeMs: number): Promise<Buffer> {
    const sent = this.#link.send(key, ["getrange", key, "0", String(headBytes(tags) - 1)]);
    return this.#inTime("a read", sent, undefined, timeMs) as Promise<Buffer>;
  }

  /**
   * Takes as long as it takes: who asks has a time of its own.
   *
   * @param leftMs - 0: for ever.
   * @param lock - is broken by it: what is being loaded of the key meanwhile is not stored.
   */
  async set(key: Buffer, value: Buffer, leftMs: number, lock: Buffer | null = null): Promise<void> {
    const name = key.toString("latin1");
    if (this.#open.has(name)) await this.#fence(key, name);
    const id = `${this.#writer}${(++this.#writes).toString(36)}`;
    const ids = this.#open.get(name);
    if (ids === undefined) this.#open.set(name, new Set([id]));
    else ids.add(id);
    const keys = [key, this.#names.fence(key)];
    if (lock !== null) keys.push(lock);
    const sent = this.#run(key, SET, keys, [id, value, String(Math.ceil(leftMs))]);
    const answer = this.#call("a write", sent).catch((error: unknown) => {
      if (isHalfMoved(error)) this.#answered(name, id);
      throw error;
    });
    if (Number(await answer) !== 1)
      throw new ZbudError("EIO", "a write failed: it was given up before it came to the server");
    this.#answered(name, id);
  }

  /** No write of a key that has no answer by now takes effect from here on. */
  async #fence(key: Buffer, name: string): Promise<void> {
    const ids = [...(this.#open.get(name) ?? [])];
    const sent = this.#run(key, FENCE, [this.#names.fence(key)], [String(FENCE_MS), ...ids]);
    await this.#call("a write", sent);
    for (const id of ids) this.#answered(name, id);
  }

  /** All records were given a version that does not count: what comes of them later does no harm. */
  forgetRecords(): void {
    for (const name of this.#open.keys()) {
      if (this.#names.isCleared(Buffer.from(name, "latin1"))) this.#open.delete(name);
    }
  }

  #answered(name: string, id: string): void {
    const ids = this.#open.get(name);
    ids?.delete(id);
    if (ids?.size === 0) this.#open.delete(name);
  }

  /** False: whoever loaded the value has not the lock any more, and nothing was written. */
  async setLoaded(key: Buffer, value: Buffer, leftMs: number, lock: Buffer, token: string): Promise<boolean> {
    const sent = this.#run(key, SET_LOADED, [key, lock], [token, value, String(Math.ceil(leftMs))]);
    return Number(await this.#call("a write", sent)) === 1;
  }

  /** As {@link set}; rejects when the time is over. */
  setInTime(key: Buffer, value: Buffer, leftMs: number): Promise<void> {
    return this.#inTime("a write", this.set(key, value, leftMs));
  }

  /** @param lock - as of {@link set}. */
  async delete(key: Buffer, lock: Buffer): Promise<void> {
    const name = key.toString("latin1");
    if (this.#open.has(name)) await this.#fence(key, name);
    try {
      await this.#call("a delete", this.#link.send(key, ["unlink", key, lock]));
    } catch (error) {
      if (!isHalfMoved(error)) throw error;
      // The lock first: whoever takes it after that loads what came after the delete.
      for (const one of [lock, key]) await this.#call("a delete", this.#link.send(one, ["unlink", one]));
    }
  }

  /** A value that is there, or the one that is given, if there is none. */
  async getOrSet(key: Buffer, value: Buffer, ttlMs: number): Promise<{ value: Buffer; isNew: boolean }> {
    const words: RedisWord[] = ["set", key, value, "nx"];
    if (ttlMs > 0) words.push("px", String(ttlMs));
    const [set, found] = await Promise.all([this.#read(key, words), this.get(key)]);
    if (set !== null) return { value, isNew: true };
    if (found === null) throw new ZbudError("EAGAIN", "a key was there, and then not any more");
    return { value: found, isNew: false };
  }

  /** @param takes - whoever has it loses it. */
  async lock(key: Buffer, token: string, ms: number, takes: boolean): Promise<boolean> {
    const words: RedisWord[] = ["set", key, token, "px", String(ms)];
    if (!takes) words.push("nx");
    return (await this.#read(key, words)) !== null;
  }

  async renewLock(key: Buffer, token: string, ms: number): Promise<void> {
    await this.#inTime("a read", this.#run(key, RENEW, [key], [token, String(ms)]));
  }

  async unlock(key: Buffer, token: string): Promise<void> {
    await this.#inTime("a read", this.#run(key, UNLOCK, [key], [token]));
  }

  /** Deletes what was written under another version of all than this one, on all servers. */
  async sweep(prefix: Buffer, version: Buffer, isCleared: (key: Buffer) => boolean): Promise<void> {
    const pattern = prefix.toString().replace(/[\\*?[\]]/g, "\\$&");
    for (const { send } of await this.#sweepable()) {
      if (send === null) continue;
      let cursor = "0";
      do {
        const words = ["scan", cursor, "match", `${pattern}*`, "count", String(SWEPT)];
        const [next, keys] = (await this.#inTime("a sweep", send(words))) as [unknown, Buffer[]];
        cursor = String(next);
        const stale = keys.filter(isCleared);
        await Promise.all(
          stale.map((key) => this.#inTime("a sweep", this.#run(key, SWEEP, [key], [version]))),
        );
      } while (cursor !== "0");
    }
  }

  #sweepable(): Promise<Master[]> {
    return this.#inTime("a sweep", this.#link.masters());
  }

  #read(key: Buffer, words: readonly RedisWord[], signal?: AbortSignal): Promise<unknown> {
    return this.#inTime("a read", this.#link.send(key, words), signal);
  }

  async #run(
    key: Buffer,
    { sha, text }: Script,
    keys: readonly Buffer[],
    args: readonly RedisWord[],
  ): Promise<unknown> {
    const words = ["evalsha", sha, String(keys.length), ...keys, ...args];
    try {
      return await this.#link.send(key, words);
    } catch (error) {
      if (!String((error as Error | null)?.message).startsWith("NOSCRIPT")) throw error;
      return await this.#link.send(key, ["eval", text, ...words.slice(2)]);
    }
  }

  #inTime<T>(
    what: string,
    sent: Promise<T>,
    signal?: AbortSignal,
    timeMs: number = this.#timeoutMs,
  ): Promise<T> {
    const late = (): ZbudError =>
      new ZbudError("ETIMEDOUT", `${what} failed: the server did not answer within ${timeMs} ms`);
    return waitAtMost(this.#call(what, sent), timeMs, late, signal);
  }

  async #call<T>(what: string, sent: Promise<T>): Promise<T> {
    try {
      return await sent;
    } catch (error) {
      if (String((error as Error | null)?.message).startsWith("OOM"))
        throw new ZbudError("ENOSPC", `${what} failed: the server has no memory left`, { cause: error });
      throw faultOf(`${what} failed`, error);
    }
  }
}

/**
 * Eight bytes that nobody else draws.
 *
 * @param deletes - whether what has an older version is deleted by it; else there was none.
 */
export function newVersion(deletes: boolean): Buffer {
  const version = randomBytes(8);
  version[0] = deletes ? version[0] | DELETES : version[0] & ~DELETES;
  return version;
}

export function isDrawnToDelete(version: Buffer): boolean {
  return (version[0] & DELETES) !== 0;
}

/**
 * Makes sure that a server can tell.
 *
 * @throws {ZbudError} `ENOTSUP`: it is too old, or cannot; `EACCES`: it is forbidden; `EIO`, `ETIMEDOUT`: it does not answer.
 */
export async function checkServer(
  link: RedisLink,
  prefix: Buffer,
  timeoutMs: number,
  tracks: boolean,
): Promise<void> {
  const late = (): ZbudError =>
    new ZbudError("ETIMEDOUT", `the server did not answer within ${timeoutMs} ms; is the client connected?`);
  const inTime = <T>(promise: Promise<T>): Promise<T> => waitAtMost(promise, timeoutMs, late);
  try {
    const masters = await inTime(link.masters());
    if (masters.length === 0) throw new ZbudError("EIO", "the cluster has no masters");
    // By the client itself: a line of its own says nothing of that.
    const key = Buffer.concat([prefix, Buffer.of(0)]);
    await inTime(link.send(key, ["get", key]));
    if (!tracks) return;
    const line = await inTime(masters[0].open(() => undefined));
    try {
      await inTime(track(line, prefix, () => undefined));
      await inTime(line.ping());
    } catch (error) {
      throw await refusal(masters[0], error);
    } finally {
      line.close();
    }
  } catch (error) {
    throw faultOf("the server cannot be used as a tier", error);
  }
}

/** Why a server does not tell, from what it answered. */
async function refusal(master: Master, error: unknown): Promise<ZbudError> {
  const message = String((error as Error | null)?.message ?? show(error));
  const instead = 'or use coherence: "ttl", where entries are compared with the server after a while';
  if (FORBIDDEN.test(message)) {
    return new ZbudError(
      "EACCES",
      `the user of this client may not be told of changes (${message}); allow it with ACL SETUSER … +client|tracking +client|id +subscribe &__redis__:invalidate, ${instead}`,
      { cause: error },
    );
  }
  const info = await master.send?.(["info", "server"]).catch(() => "");
  const version = /redis_version:((\d+)\S*)/.exec(String(info));
  if (version !== null && Number(version[2]) < MAJOR_MIN) {
    return new ZbudError(
      "ENOTSUP",
      `the server has version ${version[1]}, and tells of changes from ${MAJOR_MIN} on; take a newer one, ${instead}`,
      { cause: error },
    );
  }
  if (/unknown|syntax|wrong number|unsupported/i.test(message)) {
    return new ZbudError(
      "ENOTSUP",
      `the server does not tell of changes (CLIENT TRACKING: ${message}); take Redis 6, Valkey or later without a proxy, ${instead}`,
      { cause: error },
    );
  }
  return faultOf("the server does not tell of changes", error);
}
