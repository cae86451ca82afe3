/**
 * A CompressedCache as the store of undici's cache interceptor.
 *
 * @module
 */
import { Writable } from "node:stream";
import { checkNames, show, ZbudError } from "../base/index.ts";
import { frame, unframe } from "./frame.ts";
import { type AnyCache, isKept } from "./keys.ts";

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
  body: Buffer;
}

/** What one URL's entry lists: a response for each method and each set of headers that it varies by. */
interface Variant {
  method: string;
  vary?: UndiciCacheValue["vary"];
  /** The cache's key of the response. */
  key: string;
}

/** Options of {@link undiciStore}. */
export interface UndiciStoreOptions {
  /** With what the cache's keys of this store begin; default `"undici "`. */
  prefix?: string;
}

/**
 * The store itself. A URL has one entry that lists its variants, and an entry for each variant with its response:
 * a response is found through the list only, so that `delete` of a URL makes all of them unreachable at once.
 */
export class UndiciStore {
  readonly #cache: AnyCache;
  readonly #prefix: string;

  constructor(cache: AnyCache, options: UndiciStoreOptions = {}) {
    checkNames("undiciStore", options, ["prefix"]);
    this.#cache = cache;
    this.#prefix = options.prefix ?? "undici ";
  }

  /** The response to a request, if there is one that is not to be deleted yet. It may be stale. */
  get(key: UndiciCacheKey): UndiciGetResult | undefined {
    const variant = this.#variants(key).find((each) => matches(each, key));
    const value = variant === undefined ? undefined : this.#cache.get(variant.key);
    if (value === undefined) return undefined;
    const { header, body } = unframe(value);
    const response = header as UndiciCacheValue;
    if (response.deleteAt <= Date.now()) return undefined;
    return {
      ...response,
      cacheControlDirectives: response.cacheControlDirectives ?? {},
      body: Buffer.from(body.buffer, body.byteOffset, body.length),
    };
  }

  /** Takes a response's body; the response is there once the stream has ended. One that is too large is dropped. */
  createWriteStream(key: UndiciCacheKey, value: UndiciCacheValue): Writable {
    check(key);
    const { method, origin, path } = key;
    const chunks: Buffer[] = [];
    let bytes = 0;
    const bytesMax = this.#cache.entryBytesMax;
    const put = (): void => this.#put({ method, origin, path }, value, chunks);
    return new Writable({
      write(chunk: Buffer | string, encoding, done) {
        const part = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
        bytes += part.length;
        if (bytes > bytesMax) this.destroy();
        else chunks.push(part);
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
    for (const variant of this.#variants(key)) this.#cache.delete(variant.key);
    this.#cache.delete(this.#listKey(key));
  }

  #put(key: UndiciCacheKey, value: UndiciCacheValue, body: readonly Buffer[]): void {
    const ttl = value.deleteAt - Date.now();
    if (ttl <= 0) return;
    const { method, origin, path } = key;
    const { vary } = value;
    const stored = `${this.#prefix}${method} ${origin} ${path} ${JSON.stringify(vary ?? null)}`;
    if (!isKept(this.#cache.set(stored, frame(value, body), { ttl }))) return;
    const others = this.#variants(key).filter((each) => each.key !== stored && this.#cache.has(each.key));
    const variant: Variant = { method, key: stored, ...(vary === undefined ? {} : { vary }) };
    // The list is there for as long as the longest of its responses.
    const left = Math.max(ttl, ...others.map((each) => this.#cache.getRemainingTTL(each.key)));
    this.#cache.set(this.#listKey(key), [variant, ...others], { ttl: left });
  }

  #variants(key: Pick<UndiciCacheKey, "origin" | "path">): readonly Variant[] {
    check(key);
    return (this.#cache.get(this.#listKey(key)) as Variant[] | undefined) ?? [];
  }

  #listKey({ origin, path }: Pick<UndiciCacheKey, "origin" | "path">): string {
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
    throw new ZbudError("EINVAL", `a key of undici has an origin and a path; ${show(key)} has not`);
  }
}

/** Whether a variant answers a request: by its method, and by every header that the response varies by. */
function matches({ method, vary }: Variant, key: UndiciCacheKey): boolean {
  if (method !== key.method) return false;
  return Object.entries(vary ?? {}).every(
    ([name, value]) => JSON.stringify(key.headers?.[name] ?? null) === JSON.stringify(value),
  );
}
