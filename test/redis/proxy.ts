/**
 * The network between a client and a server, as a test wants it: a proxy for TCP that passes what comes, later, not at
 * all, or cut off in the middle.
 */

import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * What becomes of bytes.
 *
 * - `"pass"`: they go on at once. What was held before goes on first.
 * - `"hold"`: nothing goes on and nobody is told, as when a cable is out; new connections are taken and get no answer.
 *   What came meanwhile goes on with the next `"pass"`, as TCP sends again what had no answer.
 * - `"drop"`: as `"hold"`, but what came meanwhile is lost, and with it the connection: it never says a word again, and
 *   nobody is told. Connections from before go on saying nothing after the next `"pass"`; new ones work then. That of a
 *   replica ends then: it would notice after a minute only, and fall behind its master for so long.
 * - `"refuse"`: connections end at once, and new ones are ended as soon as they come.
 */
export type ProxyMode = "pass" | "hold" | "drop" | "refuse";

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** What waits for `"pass"`: bytes, or an end. */
  readonly held: { readonly data: Buffer | null; readonly send: () => void }[];
  /** Something of it was lost. */
  isDead: boolean;
  /** On it a server tells what changes. */
  isTelling: boolean;
  /** Its client is a replica. */
  isReplica: boolean;
  /** Its client is gone, and what that sent waits for {@link TcpProxy.arrive}. */
  isLate: boolean;
}

export class TcpProxy {
  readonly port: number;
  readonly #listener: Server;
  readonly #pairs: Set<Pair> = new Set();
  #target: number;
  #mode: ProxyMode = "pass";
  #delayMs = 0;
  #cutAfter = -1;
  #held: "told" | "answers" | null = null;
  /** Bytes that servers sent and that were passed on. */
  bytesToClients = 0;
  bytesToServers = 0;

  private constructor(listener: Server, target: number) {
    this.#listener = listener;
    this.#target = target;
    this.port = (listener.address() as { port: number }).port;
    listener.on("connection", (client) => this.#connect(client));
  }

  /** @param target - a port of this machine; 0: it is told later. */
  static async start(target = 0): Promise<TcpProxy> {
    const listener = createServer();
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    return new TcpProxy(listener, target);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Whether bytes with this text in them wait for `"pass"`. */
  holds(text: string): boolean {
    return [...this.#pairs].some(({ held }) => held.some(({ data }) => data?.includes(text)));
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  /** Where new connections go. */
  set target(port: number) {
    this.#target = port;
  }

  /** What becomes of bytes from now on. */
  set mode(mode: ProxyMode) {
    this.#mode = mode;
    for (const pair of this.#pairs) {
      if (mode === "refuse") this.#end(pair);
      else if (mode === "drop") pair.isDead = true;
      else if (mode === "pass" && pair.isDead && pair.isReplica) this.#end(pair);
      else if (mode === "pass" && !pair.isLate) for (const { send } of pair.held.splice(0)) send();
    }
  }

  /** While the mode is `"pass"`: what servers tell is held, or what they answer on all other connections; null: nothing. */
  set held(what: "told" | "answers" | null) {
    this.#held = what;
    this.mode = "pass";
  }

  /** Bytes go on this much later, in both directions, in their order. */
  set delayMs(ms: number) {
    this.#delayMs = ms;
  }

  /**
   * Ends the connection over which this many more bytes of answers have gone, in the middle of them; once. All bytes up to
   * there are passed on.
   */
  cutAfter(bytes: number): void {
    this.#cutAfter = bytes;
  }

  /**
   * Ends all connections for their clients; new ones work. What was sent on the old ones and is held comes to the server
   * with {@link arrive}, however late, as a network may bring what a client has long given up.
   */
  overtake(): void {
    for (const pair of this.#pairs) {
      pair.isLate = true;
      pair.client.destroy();
    }
    this.mode = "pass";
  }

  /** What was overtaken comes to the server. @returns how many connections that ends. */
  arrive(): number {
    const before = this.#pairs.size;
    for (const pair of this.#pairs) {
      if (!pair.isLate) continue;
      pair.isLate = false;
      for (const { send } of pair.held.splice(0)) send();
    }
    return before - this.#pairs.size;
  }

  /** Ends all connections; new ones work. */
  cut(): void {
    for (const pair of this.#pairs) this.#end(pair);
  }

  async stop(): Promise<void> {
    this.cut();
    if (!this.#listener.listening) return;
    this.#listener.close();
    await once(this.#listener, "close");
  }

  #connect(client: Socket): void {
    client.on("error", () => undefined);
    if (this.#mode === "refuse") {
      client.destroy();
      return;
    }
    const server = connect(this.#target, "127.0.0.1");
    const pair: Pair = {
      client,
      server,
      held: [],
      isDead: this.#mode === "drop",
      isTelling: false,
      isReplica: false,
      isLate: false,
    };
    this.#pairs.add(pair);
    client.setNoDelay(true);
    server.setNoDelay(true);
    server.on("error", () => undefined);
    this.#pipe(pair, client, server);
    this.#pipe(pair, server, client);
  }

  #pipe(pair: Pair, from: Socket, to: Socket): void {
    const late: (() => void)[] = [];
    from.on("data", (data: Buffer) => {
      if (to === pair.server) {
        const text = data.toString("latin1");
        pair.isTelling ||= /subscribe/i.test(text);
        pair.isReplica ||= /psync/i.test(text);
      }
      this.#later(pair, from, late, () => this.#pass(pair, to, data), data);
    });
    // An end is held too: who is cut off from the network hears of none.
    from.on("close", () => this.#later(pair, from, late, () => this.#end(pair)));
  }

  /** @param late - what is on its way from there. */
  #later(pair: Pair, from: Socket, late: (() => void)[], send: () => void, data: Buffer | null = null): void {
    if (pair.isDead) return;
    const go = (): void => {
      if (pair.isDead) return;
      const isHeld =
        this.#held !== null &&
        data !== null &&
        from === pair.server &&
        pair.isTelling === (this.#held === "told");
      if (this.#mode === "hold" || pair.isLate || isHeld) pair.held.push({ data, send });
      else send();
    };
    if (this.#delayMs === 0 && late.length === 0) {
      go();
      return;
    }
    // Whichever timer ends first, what came first goes first: no network brings the bytes of a connection in another order.
    late.push(go);
    setTimeout(() => late.shift()?.(), this.#delayMs);
  }

  #pass(pair: Pair, to: Socket, data: Buffer): void {
    if (to === pair.server) {
      this.bytesToServers += data.length;
      to.write(data);
      return;
    }
    this.bytesToClients += data.length;
    if (this.#cutAfter < 0 || data.length < this.#cutAfter) {
      to.write(data);
      if (this.#cutAfter >= 0) this.#cutAfter -= data.length;
      return;
    }
    const rest = data.subarray(0, this.#cutAfter);
    this.#cutAfter = -1;
    pair.isDead = true;
    this.#pairs.delete(pair);
    pair.server.destroy();
    to.end(rest);
  }

  #end(pair: Pair): void {
    pair.isDead = true;
    this.#pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  }
}
