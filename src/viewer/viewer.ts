/// <reference lib="esnext.disposable" preserve="true" />
import { checkNames, flagOption, integerOption, show, ZbudError } from "../base/index.ts";
import { ViewerServer } from "./server.ts";
import type { ListenOptions, Viewable } from "./types.ts";
import { Watch } from "./watch.ts";

/** How a viewer shows what it watches. */
export interface ViewerOptions {
  /** A name for the page's title; default: what kind of pool it is, `"cache"` or `"page store"`. */
  title?: string;
  /**
   * Whether whoever watches a cache sees keys: those of its largest entries, as text. Default false, since keys may name
   * people. Values are never shown.
   */
  keys?: boolean;
}

/** Where a viewer is to be seen. */
export interface ViewerAddress {
  /** For a browser, and for `zbud top` and `zbud map`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

/** A page that shows a pool, a store or a cache live. */
export class Viewer {
  readonly #watch: Watch;
  readonly #target: Viewable;
  #server: ViewerServer | null = null;

  /** Use {@link viewer}. */
  constructor(target: Viewable, title: string, keys: boolean) {
    this.#target = target;
    this.#watch = new Watch(target, title, () => performance.now(), keys);
  }

  /** Browsers and commands that watch now. */
  get watchers(): number {
    return this.#watch.watchers;
  }

  /**
   * Serves the page. The server does not keep the process alive.
   *
   * Whoever reaches the address sees sizes and places of objects and all counters, but no stored bytes, and keys only
   * with the option `keys`. There
   * is no password: leave it on loopback, or put something in front of it that asks for one. It answers whoever asks
   * for an address, for localhost, or for the `host` given here; another name is refused, since a page elsewhere may
   * have had it turned to this address.
   *
   * @param options - `port`: default any that is free; `host`: default `127.0.0.1`, loopback.
   * @throws {ZbudError} `EINVAL` for an option that is none, `EBUSY` if the port is taken or this viewer listens
   *   already, `EACCES` if the system does not let it listen there.
   */
  async listen(options: ListenOptions = {}): Promise<ViewerAddress> {
    checkNames("listen", options, ["port", "host"]);
    const { host = "127.0.0.1", port = 0 } = options;
    integerOption("port", port, 0, 65_535);
    if (typeof host !== "string" || host === "") {
      throw new ZbudError("EINVAL", `host must be an address such as "127.0.0.1", not ${show(host)}`);
    }
    if (this.#server !== null) {
      throw new ZbudError("EBUSY", "this viewer listens already: close() it first, or make another");
    }
    const server = new ViewerServer(this.#watch, this.#target);
    this.#server = server;
    try {
      const taken = await server.listen(port, host);
      return { url: `http://${host.includes(":") ? `[${host}]` : host}:${taken}/`, host, port: taken };
    } catch (error) {
      this.#server = null;
      throw error;
    }
  }

  /** Stops serving, and leaves what was watched alone. A second close does nothing. */
  async close(): Promise<void> {
    this.#watch.close();
    const server = this.#server;
    this.#server = null;
    await server?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Makes a viewer for anything with `stats()`: a pool, a store, a cache, whose pages it shows; something else's
 * with `snapshotColumns()`. Of a cache or store also the sizes and ages of entries, and which processes use it. With `observe()`, as pools have it, evictions as they happen, whoever else listens. Stores
 * and caches evict entry by entry, under a lock that threads wait for, and tell nobody of each: theirs are seen by the
 * counters, and by what is gone.
 *
 * @throws {ZbudError} `EINVAL` if it has no `stats()`, or an option is none.
 * @remarks While nobody watches, it costs nothing. Else it looks at counters and pages so seldom that this takes
 *   less than 1 % of the time: every half second for a small pool, every second or two for 100,000 pages.
 */
export function viewer(target: Viewable, options: ViewerOptions = {}): Viewer {
  if (typeof target !== "object" || target === null || typeof target.stats !== "function") {
    throw new ZbudError(
      "EINVAL",
      `a viewer shows something that has stats(), such as a pool, not ${show(target)}`,
    );
  }
  checkNames("a viewer", options, ["title", "keys"]);
  const { keys = false, title = kindOf(target) } = options;
  if (typeof title !== "string") throw new ZbudError("EINVAL", `title must be text, not ${show(title)}`);
  flagOption("keys", keys);
  return new Viewer(target, title, keys);
}

function kindOf(target: Viewable): string {
  if (target.type !== undefined) return `${target.type} pool`;
  const has = (name: string): boolean =>
    typeof (target as unknown as Record<string, unknown>)[name] === "function";
  return has("set") ? "cache" : has("store") ? "page store" : "pool";
}
