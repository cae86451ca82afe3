/** A server on loopback for the pages of the tests, with or without cross-origin isolation. */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";

const TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
};

/** What a page must be served with to have `SharedArrayBuffer`. */
const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Text of each file by its path, `/name.html`; or a function that gives it, or undefined. */
export type Files = (path: string) => string | undefined;

export interface TestServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  close(): Promise<void>;
}

/** Serves `files` on a free port. */
export async function serve(files: Files, isolated: boolean): Promise<TestServer> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const text = pathname === "/favicon.ico" ? "" : files(pathname);
    const headers = { "content-type": TYPES[extname(pathname)] ?? "text/plain; charset=utf-8" };
    response.writeHead(text === undefined ? 404 : 200, { ...headers, ...(isolated ? ISOLATION : {}) });
    response.end(text ?? `there is no ${pathname}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
