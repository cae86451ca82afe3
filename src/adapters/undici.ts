import { createHash, randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import { checkNames, show, ZbudError } from "../base/index.ts";
import { type AnyCache, cacheOf, isKept, unlessClosed } from "./keys.ts";
import { notPacked, pack, unpack } from "./packed-value.ts";

type Headers = Record<string, string | string[]>;

/** A request, as undici looks it up. */
export interface UndiciCacheKey {
  origin: string;
  method: string;
  path: string;
  headers?: Headers;
}

/** A response without its body. */
export interface UndiciCacheValue {
  statusCode: number;
  statusMessage: string;
  headers: Headers;
  vary?: Record<string, string | string[] | null>;
  etag?: string;
  cacheControlDirectives?: object;
  cachedAt: number;
  staleAt: number;
  /** Milliseconds since 1970, after which it is of no use. */
  deleteAt: number;
}

/** A response. */
export interface UndiciGetResult extends UndiciCacheValue {
  cacheControlDirectives: object;
  /** No element or one. */
  body: Buffer[];
}

/** The headers that a response varies by, sorted. Most URLs have one such list for all of their responses. */
type Names = readonly string[];

/** The entry of a URL. It is never changed, only made and deleted. */
interface Place {
  /** With what the keys of the URL's responses begin. No two that were made have the same. */
  id: string;
  /** What the first response varied by. */
  names: Names;
}

/** A longer body is never kept, however well it compresses. */
const BODY_BYTES_MAX = 2 ** 26;
/** Lists of names beside the first that a URL may have; the oldest are dropped. */
const OTHERS_MAX = 8;

/** Options of {@link undiciStore}. */
export interface UndiciStoreOptions {
  /** With what the cache's keys of this store begin; default `"undici "`. */
  prefix?: string;
}

/**
 * The store itself. A URL has an entry with an id, from which the keys of its responses are made, so that `delete` of
 * the URL makes all of them unreachable at once, also one that another thread is about to store. The key of a response
 * has the values of the headers that it varies by: one of thousands is found by itself, and leaves by itself when it is
 * the least recently used.
 */
export class UndiciStore {
  readonly #cache: AnyCache;
  readonly #prefix: string;

  constructor(cache: AnyCache, options: UndiciStoreOptions = {}) {
    checkNames("undiciStore", options, ["prefix"]);
    this.#cache = cacheOf(cache, "undiciStore(cache)");
    this.#prefix = options.prefix ?? "undici ";
  }

  /** The response to a request, if there is one that is not to be deleted yet. It may be stale. */
  get(key: UndiciCacheKey): UndiciGetResult | undefined {
    check(key);
    return unlessClosed(() => this.#get(key), undefined);
  }

  /**
   * Takes a response's body; the response is there once the stream has ended. Until then its body is in memory as it is.
   * One of more than 64 MiB, or that the cache refuses, is dropped, and the older one with it. Undefined if the cache was closed.
   */
  createWriteStream(key: UndiciCacheKey, value: UndiciCacheValue): Writable | undefined {
    check(key);
    if (unlessClosed(() => this.#cache.size, -1) < 0) return undefined;
    const maxBytes = BODY_BYTES_MAX;
    const chunks: Buffer[] = [];
    let bytes = 0;
    const put = (): void => unlessClosed(() => this.#put(key, value, chunks), undefined);
    const drop = (): void => unlessClosed(() => this.#drop(key, value), undefined);
    return new Writable({
      write(chunk: Buffer | string, encoding, done) {
        const part = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
        bytes += part.length;
        if (bytes > maxBytes) {
          drop();
          this.destroy();
        } else {
          chunks.push(part);
        }
        done();
      },
      final(done) {
        put();
        done();
      },
    });
  }

  /** Makes all responses of a URL unreachable, whatever the method. */
  delete(key: Pick<UndiciCacheKey, "origin" | "path">): void {
    check(key);
    unlessClosed(() => this.#cache.delete(this.#placeKey(key)), false);
  }

  #get(key: UndiciCacheKey): UndiciGetResult | undefined {
    const place = this.#place(key);
    if (place === undefined) return undefined;
    let value = this.#cache.get(responseKey(place, key, place.names));
    if (value === undefined) {
      for (const names of this.#others(place)) {
        value = this.#cache.get(responseKey(place, key, names));
        if (value !== undefined) break;
      }
    }
    if (value === undefined) return undefined;
    const { header, body } = unpack(value);
    const response = responseOf(header);
    if (response.deleteAt <= Date.now()) return undefined;
    return {
      ...response,
      cacheControlDirectives: response.cacheControlDirectives ?? {},
      // In an array, since undici takes what it finds in an iterable for chunks, and in a Buffer that is bytes.
      body: body.length === 0 ? [] : [Buffer.from(body.buffer, body.byteOffset, body.length)],
    };
  }

  #put(key: UndiciCacheKey, value: UndiciCacheValue, body: readonly Buffer[]): void {
    const ttl = value.deleteAt - Date.now();
    if (!(ttl > 0)) {
      this.#drop(key, value);
      return;
    }
    const names = namesOf(value);
    const place = this.#place(key) ?? this.#makePlace(key, names);
    if (place === undefined) return;
    const stored = responseKey(place, { method: key.method, headers: value.vary }, names);
    const kept = isKept(this.#cache.set(stored, pack(value, body), { ttl }));
    const others = this.#others(place);
    // What is older and answers the same request is out of date.
    for (const older of [place.names, ...others]) {
      const olderKey = responseKey(place, key, older);
      if (olderKey !== stored) this.#cache.delete(olderKey);
    }
    const isKnown = [place.names, ...others].some((each) => isEqual(each, names));
    if (kept && !isKnown)
      this.#cache.set(othersKey(place), [names, ...others].slice(0, OTHERS_MAX), { ttl: 0 });
  }

  /** Removes the response to a request, since there is a newer one that is not kept. */
  #drop(key: UndiciCacheKey, { vary }: UndiciCacheValue): void {
    const place = this.#place(key);
    if (place === undefined) return;
    const headers = { ...key.headers, ...vary };
    for (const names of [place.names, ...this.#others(place)]) {
      this.#cache.delete(responseKey(place, { method: key.method, headers }, names));
    }
  }

  #place(key: UndiciCacheKey): Place | undefined {
    const found = this.#cache.get(this.#placeKey(key));
    if (!isNames(found) || found.length === 0) return undefined;
    const [id, ...names] = found;
    return { id, names };
  }

  /**
   * The entry has no end of its own: who wrote it again to move its end might bring one back that another thread has
   * deleted since it was read.
   */
  #makePlace(key: UndiciCacheKey, names: Names): Place | undefined {
    const place = { id: `${this.#prefix}${randomBytes(12).toString("base64url")}`, names };
    return isKept(this.#cache.set(this.#placeKey(key), [place.id, ...names], { ttl: 0 })) ? place : undefined;
  }

  /** What responses of a URL vary by beside the names of its first. Few URLs have any. */
  #others(place: Place): readonly Names[] {
    const key = othersKey(place);
    const found = this.#cache.has(key) ? this.#cache.get(key) : undefined;
    return Array.isArray(found) ? found.filter(isNames) : [];
  }

  #placeKey({ origin, path }: Pick<UndiciCacheKey, "origin" | "path">): string {
    return `${this.#prefix}${origin} ${path}`;
  }
}

/**
 * A store for `interceptors.cache({ store: undiciStore(cache) })`. Workers that attach to the cache share what
 * any of them fetched.
 *
 * @param cache - values are bytes and JSON; its serializer has to be `"auto"`.
 */
export function undiciStore(cache: AnyCache, options: UndiciStoreOptions = {}): UndiciStore {
  return new UndiciStore(cache, options);
}

function check(key: Pick<UndiciCacheKey, "origin" | "path">): void {
  if (
    typeof key !== "object" ||
    key === null ||
    typeof key.origin !== "string" ||
    typeof key.path !== "string"
  ) {
    throw new ZbudError("EINVAL", `a key of undici must have an origin and a path, not ${show(key)}`);
  }
}

/**
 * What was kept of a response, checked: a snapshot may come from anywhere.
 *
 * @throws {ZbudError} `EBADMSG` if it is something else.
 */
function responseOf(header: unknown): UndiciCacheValue {
  const response = (isObject(header) ? header : {}) as UndiciCacheValue;
  const { statusCode, headers, vary, cacheControlDirectives, cachedAt, staleAt, deleteAt } = response;
  const isWhole =
    [statusCode, cachedAt, staleAt, deleteAt].every(Number.isFinite) &&
    isObject(headers) &&
    isObject(vary ?? {}) &&
    isObject(cacheControlDirectives ?? {});
  if (!isWhole) throw notPacked();
  return response;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function isNames(value: unknown): value is Names {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}

function namesOf({ vary }: UndiciCacheValue): Names {
  return Object.keys(vary ?? {}).sort();
}

function othersKey({ id }: Place): string {
  return `${id} vary`;
}

/** The cache's key of the response to a request, if it varies by headers of these names. */
function responseKey(
  { id }: Place,
  { method, headers }: { method: string; headers?: UndiciCacheValue["vary"] },
  names: Names,
): string {
  if (names.length === 0) return `${id} ${method}`;
  const given = headers ?? {};
  const values = names.map((name) => [name, (Object.hasOwn(given, name) ? given[name] : null) ?? null]);
  // Headers may be longer than a key.
  return `${id} ${method} ${createHash("sha256").update(JSON.stringify(values)).digest("base64url")}`;
}

function isEqual(a: Names, b: Names): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
