import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP } from "node:net";
import { gzipSync } from "node:zlib";
import { ZbudError } from "../base/index.ts";
import { VIEWER_PAGE, VIEWER_POLICY } from "./page.generated.ts";
import { frameChunks } from "./snapshot-frame.ts";
import type { PlayerCommand, Tick, Viewable } from "./types.ts";
import type { Watch } from "./watch.ts";

const COMMAND_BYTES_MAX = 1000;
/** A watcher that takes no more is not sent more: so many bytes may wait for it. */
const UNSENT_BYTES_MAX = 1 << 20;

/** Answers for one {@link Watch}. Every answer is of this page's own origin, or none. */
export class ViewerServer {
  readonly #watch: Watch;
  readonly #target: Viewable;
  readonly #server: Server;
  #host = "";
  #page: Buffer | null = null;
  #listening: Promise<void> = Promise.resolve();

  constructor(watch: Watch, target: Viewable) {
    this.#watch = watch;
    this.#target = target;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** @returns the port. */
  async listen(port: number, host: string): Promise<number> {
    this.#host = host;
    this.#listening = new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(port, host, error)));
      this.#server.listen(port, host, resolve);
    });
    await this.#listening;
    // Who is watched ends when it would have ended unwatched.
    this.#server.unref();
    this.#server.on("connection", (socket) => socket.unref());
    return (this.#server.address() as { port: number }).port;
  }

  async close(): Promise<void> {
    // A server that is closed while it begins to listen would listen all the same.
    await this.#listening.catch(() => undefined);
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    try {
      if (!isNamed(request.headers.host, this.#host)) {
        return refuse(response, 403, "ask by address, or as localhost: another name could be a trap");
      }
      const path = (request.url ?? "").split("?")[0];
      const known = ROUTES[`${request.method} ${path}`];
      if (known === undefined) return refuse(response, 404, "there is nothing here");
      await this[known](request, response);
    } catch (error) {
      if (response.headersSent) return void response.destroy();
      const code = error instanceof ZbudError ? error.code : "";
      const status = code === "EINVAL" ? 400 : code === "ENOTSUP" ? 404 : 503;
      refuse(response, status, code === "" ? "it cannot be looked at" : (error as Error).message);
    }
  }

  /** The page itself. */
  page(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.setHeader("Content-Security-Policy", VIEWER_POLICY);
    if (/\bgzip\b/.test(request.headers["accept-encoding"] ?? "")) {
      this.#page ??= gzipSync(VIEWER_PAGE);
      response.setHeader("Content-Encoding", "gzip");
      response.end(this.#page);
    } else {
      response.end(VIEWER_PAGE);
    }
  }

  /** Counters, again and again, as server-sent events. */
  events(_request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    const send = (tick: Tick): void => {
      if (response.writableLength < UNSENT_BYTES_MAX) response.write(`data: ${JSON.stringify(tick)}\n\n`);
    };
    const stop = this.#watch.subscribe(send);
    response.on("close", stop);
    response.write(`event: hello\ndata: ${JSON.stringify(this.#watch.hello())}\n\n`);
    this.#watch.soon();
  }

  /** What the page is told first, and the counters now. */
  stats(_request: IncomingMessage, response: ServerResponse): void {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ hello: this.#watch.hello(), tick: this.#watch.latest() }));
  }

  /** All pages, packed; `?after=` names the snapshot that the asker has. */
  async snapshot(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const after = Number(/[?&]after=(\d+)/.exec(request.url ?? "")?.[1] ?? 0);
    const { number, frame } = await this.#watch.frame(after);
    const pieces = frameChunks(frame);
    response.setHeader("Content-Type", "application/octet-stream");
    response.setHeader(
      "Content-Length",
      pieces.reduce((sum, { length }) => sum + length, 0),
    );
    response.setHeader("Snapshot-Number", number);
    this.#watch.send(() => {
      response.cork();
      for (const piece of pieces) response.write(piece);
      response.end();
    });
  }

  /** Tells the player something. The type asked for cannot be sent from another origin without leave. */
  async control(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { player } = this.#target;
    if (player === undefined) return refuse(response, 404, "nothing is played here");
    const { origin, host, "content-type": type } = request.headers;
    if (type !== "application/json" || (origin !== undefined && origin !== `http://${host}`)) {
      return refuse(response, 403, "commands come from the viewer's own page");
    }
    player.control(await readCommand(request));
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(player.state()));
    this.#watch.soon();
  }
}

const ROUTES: Record<string, "page" | "events" | "stats" | "snapshot" | "control" | undefined> = {
  "GET /": "page",
  "GET /events": "events",
  "GET /stats": "stats",
  "GET /snapshot": "snapshot",
  "POST /control": "control",
};

const HEADERS = {
  "Cache-Control": "no-store",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};

/**
 * Whether a request's Host is an address, localhost, or the name that the server was told to listen on. Any
 * other name may belong to a page elsewhere that had its name point here, so that this would be its own origin.
 */
function isNamed(host: string | undefined, own: string): boolean {
  const name = /^(?:\[(?<six>[\da-f:.]+)\]|(?<plain>[^:[\]]+))(?::\d+)?$/i.exec(host ?? "")?.groups;
  if (name === undefined) return false;
  const asked = (name.six ?? name.plain).toLowerCase();
  return isIP(asked) !== 0 || asked === "localhost" || asked === own.toLowerCase();
}

async function readCommand(request: IncomingMessage): Promise<PlayerCommand> {
  let text = "";
  for await (const piece of request) {
    text += String(piece);
    if (text.length > COMMAND_BYTES_MAX) throw new ZbudError("EINVAL", "this command is too long");
  }
  try {
    return JSON.parse(text) as PlayerCommand;
  } catch (cause) {
    throw new ZbudError("EINVAL", "a command is JSON", { cause });
  }
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${why}\n`);
}

function cannotListen(port: number, host: string, error: NodeJS.ErrnoException): ZbudError {
  const why =
    error.code === "EADDRINUSE"
      ? `port ${port} of ${host} is taken: choose another, or none for any that is free`
      : `cannot listen on port ${port} of ${host} (${error.code}): choose others`;
  return new ZbudError(error.code === "EADDRINUSE" ? "EBUSY" : "EACCES", why, { cause: error });
}
