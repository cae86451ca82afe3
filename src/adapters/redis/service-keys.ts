import type { CoherentView, TagName } from "../../backing/index.ts";
import { isDrawnToDelete, newVersion, type Server } from "./commands.ts";
import type { Names, TagVersion } from "./names.ts";

/** How long a tag's version stays on the server after it was set or made, and a record with tags a little less. */
const TAG_MS: number = 32 * 86_400_000;
export const TAGGED_MS_MAX: number = 31 * 86_400_000;
/** Versions of tags that are kept here. */
const KNOWN_MAX = 65_536;
/** Versions that were drawn here, of which the server tells soon. */
const DRAWN_MAX = 1024;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5000;

/** A version that was read, and when, in the stamps of the cache. */
interface Known extends Found {
  readonly stamp: number;
}

/** A version that a server is being given. */
interface Vow {
  readonly key: Buffer;
  version: Buffer;
  readonly ttlMs: number;
  isSending: boolean;
}

/**
 * The versions of tags, and of all: who deletes by tag, or clears, draws a new one, and a record counts only if it was
 * written under those that hold. A version that is not there counts for none, so what a server loses is lost, not brought
 * back.
 *
 * What is known of them is believed as long as the cache says that nothing was deleted since. A version that was drawn here
 * is told to the server again and again until it has it, each time another one; until then it holds in this thread. If a
 * version that the server was given already came again, what was written under it before somebody else drew one would count.
 */
export class ServiceKeys {
  readonly #names: Names;
  readonly #server: Server;
  readonly #vowsMax: number;
  readonly #known: Map<string, Known> = new Map();
  readonly #drawn: Map<string, string> = new Map();
  /** Versions by which others deleted, of which this thread was told. */
  readonly #told: Map<string, string> = new Map();
  readonly #vows: Map<string, Vow> = new Map();
  #time = 0;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #retryMs = RETRY_MS_MIN;
  readonly #idle: Set<() => void> = new Set();

  constructor(names: Names, server: Server, vowsMax: number) {
    this.#names = names;
    this.#server = server;
    this.#vowsMax = vowsMax;
  }

  /** A time that goes on with each version that is asked for. */
  get time(): number {
    return this.#time;
  }

  /** Deletions that the server was not told of yet. */
  get pending(): number {
    return this.#vows.size;
  }

  /** When the server was told of all. */
  idle(): Promise<void> {
    if (this.#vows.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.add(resolve));
  }

  stop(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }

  deleteTag(tag: TagName): void {
    if (this.#vows.size >= this.#vowsMax) {
      // More tags wait than may: what they are in goes with all else.
      this.#vows.clear();
      void this.clear().catch(() => undefined);
      return;
    }
    this.#vow(this.#names.tag(tag), TAG_MS).catch(() => undefined);
  }

  /** @returns the new version. Rejects if the server did not take it; then it is told later. */
  clear(): Promise<Buffer> {
    this.#known.clear();
    return this.#vow(this.#names.clear, 0);
  }

  /** What a server answers, and the version of all, in one trip. */
  async withAll<T>(asked: Promise<T>, view: CoherentView | null): Promise<[T, string | null]> {
    const all = this.all(view, false);
    if (!(all instanceof Promise)) return [await asked, all.version];
    const [answer, { version }] = await Promise.all([asked, all]);
    return [answer, version];
  }

  /**
   * The version of all, when it was read, and whether it was drawn by this call; at once if it is known.
   *
   * @param makes - whether there is one afterwards in any case.
   */
  all(view: CoherentView | null, makes: boolean): Found | Promise<Found> {
    return this.#version(this.#names.clear, view, makes, 0, (stamp) => view?.isClearOld(stamp) !== false);
  }

  /**
   * Whether a version that was written anew, or is gone, means that something was deleted elsewhere. Of one deletion this
   * is so once: a version is told of again when its slot moves to another server of a cluster.
   */
  async isDeletion(key: Buffer): Promise<boolean> {
    const found = await this.#server.get(key);
    if (found === null) return true;
    const name = key.toString("latin1");
    const version = textOf(found);
    if (!isDrawnToDelete(found) || [this.#drawn, this.#told].some((map) => map.get(name) === version))
      return false;
    remember(this.#told, name, version, DRAWN_MAX);
    return true;
  }

  /** Whether these are the versions that hold. */
  async hold(tags: readonly TagVersion[], view: CoherentView | null): Promise<boolean> {
    const found = await Promise.all(tags.map(({ tag }) => this.tag(tag, view, false)));
    return found.every(({ version }, i) => version === tags[i].version);
  }

  /** The same of a tag. */
  tag(tag: TagName, view: CoherentView | null, makes: boolean): Found | Promise<Found> {
    const isOld = (stamp: number): boolean => view?.isTagOld(tag, stamp) !== false;
    return this.#version(this.#names.tag(tag), view, makes, TAG_MS, isOld);
  }

  #version(
    key: Buffer,
    view: CoherentView | null,
    makes: boolean,
    ttlMs: number,
    isOld: (stamp: number) => boolean,
  ): Found | Promise<Found> {
    const name = key.toString("latin1");
    const vow = this.#vows.get(name);
    if (vow !== undefined) return { version: textOf(vow.version), askedAt: 0, isNew: false };
    const known = this.#known.get(name);
    return known === undefined || isOld(known.stamp) ? this.#ask(key, name, view, makes, ttlMs) : known;
  }

  async #ask(
    key: Buffer,
    name: string,
    view: CoherentView | null,
    makes: boolean,
    ttlMs: number,
  ): Promise<Found> {
    // First: what is deleted from here on makes this old.
    const stamp = view?.stamp() ?? 0;
    const askedAt = ++this.#time;
    const found = makes
      ? await this.#server.getOrSet(key, newVersion(false), ttlMs)
      : { value: await this.#server.get(key), isNew: false };
    const later = this.#vows.get(name);
    if (later !== undefined) return { version: textOf(later.version), askedAt: 0, isNew: false };
    if (found.value === null) return { version: null, askedAt, isNew: false };
    const version = textOf(found.value);
    if (view !== null) remember(this.#known, name, { version, stamp, askedAt, isNew: false }, KNOWN_MAX);
    return { version, askedAt, isNew: found.isNew };
  }

  async #vow(key: Buffer, ttlMs: number): Promise<Buffer> {
    const name = key.toString("latin1");
    const vow: Vow = { key, version: newVersion(true), ttlMs, isSending: false };
    this.#vows.set(name, vow);
    remember(this.#drawn, name, textOf(vow.version), DRAWN_MAX);
    this.#known.delete(name);
    await this.#send(name, vow);
    return vow.version;
  }

  async #send(name: string, vow: Vow): Promise<void> {
    vow.isSending = true;
    try {
      await this.#server.setInTime(vow.key, vow.version, vow.ttlMs);
    } catch (error) {
      this.#later();
      throw error;
    } finally {
      vow.isSending = false;
    }
    this.#retryMs = RETRY_MS_MIN;
    if (this.#vows.get(name) === vow) this.#vows.delete(name);
    if (this.#vows.size > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }

  #later(): void {
    if (this.#retry !== null) return;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      for (const [name, vow] of this.#vows) {
        if (vow.isSending) continue;
        vow.version = newVersion(true);
        remember(this.#drawn, name, textOf(vow.version), DRAWN_MAX);
        this.#send(name, vow).catch(() => undefined);
      }
    }, this.#retryMs);
    this.#retry.unref();
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs);
  }
}

/** Adds to a map that keeps what came last. */
function remember<T>(map: Map<string, T>, name: string, value: T, max: number): void {
  map.delete(name);
  const [oldest] = map.keys();
  if (map.size >= max) map.delete(oldest);
  map.set(name, value);
}

interface Found {
  readonly version: string | null;
  /** See {@link ServiceKeys.time}; 0: it was drawn here. */
  readonly askedAt: number;
  readonly isNew: boolean;
}

function textOf(version: Buffer): string {
  return version.toString("latin1");
}
