import { builtin, noteFallback, show, ZbudError } from "../../base/index.ts";
import { faultOf } from "../system.ts";

/**
 * What this library needs of a store: a Keyv (5 or 6), a storage adapter for one, or a Map. Adapters of Keyv 6
 * say by `capabilities.expires` that `set` takes the time at which the value ends; all others take the time
 * that it has left.
 */
export interface KeyvLike {
  get(key: string): unknown;
  set(key: string, value: string, expiry?: number): unknown;
  delete(key: string): unknown;
  clear(): unknown;
  on?(event: string, listener: (error: unknown) => void): unknown;
  readonly capabilities?: { readonly expires?: boolean | undefined } | undefined;
}

/** A call on the store, which may fail without its promise saying so. */
interface Call {
  error: unknown;
  hasFailed: boolean;
}

/**
 * Calls of a store, each with its true end. Keyv and its adapters swallow errors: they emit `error`, and
 * resolve as if nothing was there. Which call an error belongs to is known by the asynchronous context in
 * which it is emitted; where the platform has none, it counts against all that are under way.
 */
export class KeyvClient {
  readonly #store: KeyvLike;
  readonly #takesTime: boolean;
  readonly #contexts: InstanceType<typeof import("node:async_hooks").AsyncLocalStorage<Call>> | null;
  readonly #calls: Set<Call> = new Set();

  /** @throws {ZbudError} `EINVAL` if it is not such a store. */
  constructor(store: KeyvLike) {
    for (const method of ["get", "set", "delete", "clear"] as const) {
      if (typeof store?.[method] === "function") continue;
      throw new ZbudError(
        "EINVAL",
        `store must be a Keyv or a store for one; ${show(store)} has no ${method}()`,
      );
    }
    this.#store = store;
    this.#takesTime = store.capabilities?.expires === true;
    const hooks = builtin<typeof import("node:async_hooks")>("node:async_hooks");
    if (hooks === undefined) noteFallback("keyv-errors");
    this.#contexts = hooks === undefined ? null : new hooks.AsyncLocalStorage<Call>();
    // With a listener, an error does not end the process either.
    if (typeof store.on === "function") store.on("error", (error) => this.#noteError(error));
  }

  get(key: string): Promise<unknown> {
    return this.#call("a read", () => this.#store.get(key));
  }

  /** @param leftMs - how long the value lasts, or 0: for ever. @param now - in ms since 1970. */
  async set(key: string, value: string, leftMs: number, now: number): Promise<void> {
    const left = Math.ceil(leftMs);
    const result = await this.#call("a write", () => {
      if (left === 0) return this.#store.set(key, value);
      return this.#store.set(key, value, this.#takesTime ? Math.ceil(now) + left : left);
    });
    if (result === false) throw new ZbudError("EIO", "a write failed: the store answered false");
  }

  async delete(key: string): Promise<void> {
    await this.#call("a delete", () => this.#store.delete(key));
  }

  async clear(): Promise<void> {
    await this.#call("a clear", () => this.#store.clear());
  }

  async #call(what: string, act: () => unknown): Promise<unknown> {
    const call: Call = { error: undefined, hasFailed: false };
    this.#calls.add(call);
    try {
      const result = await (this.#contexts === null ? act() : this.#contexts.run(call, act));
      if (call.hasFailed) throw call.error;
      return result;
    } catch (error) {
      throw faultOf(`${what} failed`, error);
    } finally {
      this.#calls.delete(call);
    }
  }

  #noteError(error: unknown): void {
    const call = this.#contexts?.getStore();
    const concerned = this.#contexts === null ? [...this.#calls] : call === undefined ? [] : [call];
    for (const one of concerned) {
      one.error = error;
      one.hasFailed = true;
    }
  }
}
