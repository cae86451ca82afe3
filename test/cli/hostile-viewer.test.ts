import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { fetchFrame, fetchStats, viewerAddress } from "../../src/cli/viewer-client.ts";
import { ColumnsBuilder } from "../../src/pool/index.ts";
import { checkHello, checkTick, decodeFrame, frameChunks } from "../../src/viewer/index.ts";
import { type Ended, ended, start } from "./command.ts";

type Answer = (response: ServerResponse, socket: Socket) => void;

/** Less than the commands have, so that a busy machine comes to the end of it. */
const LIMITS = { timeoutMs: 60_000, maxStatsBytes: 2 ** 22, maxFrameBytes: 2 ** 24 };
const HELLO = { title: "a pool", pages: true, player: false, keys: false };
const TICK = {
  at: 1000,
  counters: { pages: 3 },
  histograms: { sizes: [1, 2] },
  texts: { state: "on" },
  users: [{ pid: 4711, threads: 2 }],
  entries: { counted: 2, sizes: [1, 1], ages: [2], earlier: 0, raw: 0, keys: [{ key: "a", bytes: 7 }] },
  evictedFrom: [],
  decisions: [],
  player: null,
};
const json = (value: unknown): string => JSON.stringify(value);
const stats = (hello: unknown, tick: unknown): string => json({ hello, tick });
const tick = (change: object): string => stats(HELLO, { ...TICK, ...change });
const body =
  (text: string | Uint8Array): Answer =>
  (response) =>
    response.end(text);

/** A frame whose columns and header were changed; its length is right. */
function frame(
  change: (columns: Record<string, Int32Array | Float64Array>) => void,
  head: object = {},
): Buffer {
  const into = new ColumnsBuilder(9, 9);
  for (const page of [3, 4]) {
    into.page(page, 4096, false);
    into.object(1, 0, 9);
    into.listed(page);
    into.ordered(page);
  }
  into.endList(() => "a");
  const columns = into.done({ type: "x", pageSize: 4096, maxPages: 9 });
  change(columns as unknown as Record<string, Int32Array>);
  return Buffer.concat(frameChunks({ ...columns, ...head }));
}

/** As many bytes as are taken. */
function endless(response: ServerResponse, piece: string): void {
  response.writeHead(200, { "Content-Type": "application/json" });
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
  };
  response.on("drain", more);
  more();
}

async function withServer(make: () => Server, use: (url: URL) => Promise<void>): Promise<void> {
  const server = make();
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await use(viewerAddress(String((server.address() as AddressInfo).port)) as URL);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

const http = (answer: Answer) => (): Server =>
  createHttpServer((request, response) => answer(response, request.socket));
const tcp = (talk: (socket: Socket) => void) => (): Server => createTcpServer(talk);

/** A command that must end by itself: it is killed after 30 s, and then its code is null. */
async function command(args: string[]): Promise<Ended> {
  const child = start(args, { flags: ["--max-old-space-size=200"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  try {
    return await ended(child);
  } finally {
    clearTimeout(timer);
  }
}

const STRANGERS: [string, () => Server, RegExp][] = [
  [
    "an endless body",
    http((response) => endless(response, `{"a":1},\n`.repeat(5000))),
    /is longer than \d+ MiB/,
  ],
  ["an endless line", http((response) => endless(response, "x".repeat(60_000))), /is longer than \d+ MiB/],
  [
    "a body that is small until it is unpacked",
    http((response) => {
      response.setHeader("Content-Encoding", "gzip");
      response.end(gzipSync(Buffer.alloc(2 ** 27)));
    }),
    /is longer than \d+ MiB/,
  ],
  ["no JSON, no frame", http(body("<!doctype html>")), /does not answer with JSON|no snapshot of a viewer/],
  ["nothing", http(body("")), /does not answer with JSON|no snapshot of a viewer/],
  ["null", http(body("null")), /not a viewer|no snapshot of a viewer/],
  [
    "another address",
    http((response) => response.writeHead(302, { Location: "http://127.0.0.1:1/" }).end()),
    /names another address/,
  ],
  [
    "an HTTP error with an endless text",
    http((response) => {
      response.statusCode = 503;
      const more = (): void => {
        while (!response.destroyed && response.write("\x1b[31m".repeat(10_000)));
      };
      response.on("drain", more);
      more();
    }),
    /HTTP status 503/,
  ],
  ["HTTP status 500", http((response) => response.writeHead(500).end("\x1b[2Jno")), /HTTP status 500/],
  [
    "a connection that ends in the middle",
    http((response, socket) => {
      response.writeHead(200, { "Content-Length": 1000 });
      response.write("{");
      setImmediate(() => socket.destroy());
    }),
    /is cut off/,
  ],
  ["a connection that ends at once", tcp((socket) => socket.destroy()), /is cut off/],
  ["no HTTP", tcp((socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n")), /is not HTTP/],
  ["endless noise", tcp((socket) => void socket.write(Buffer.alloc(2 ** 22, 0xa5))), /is not HTTP/],
  [
    "an endless header",
    tcp((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nA: ");
      const more = (): void => {
        while (!socket.destroyed && socket.write("a".repeat(60_000)));
      };
      socket.on("drain", more);
      more();
    }),
    /is not HTTP/,
  ],
];

describe("zbud top and zbud map at a server that is not ours", () => {
  for (const [at, [name, make, why]] of STRANGERS.entries()) {
    it(`${name}: one line says so, and it ends`, async () => {
      await withServer(make, async (url) => {
        // One as a command, and what the other asks with.
        const endless = why.source.includes("longer");
        const [ask, name] = at % 2 === 0 || endless ? [fetchFrame, "top"] : [fetchStats, "map"];
        const before = process.memoryUsage().rss;
        await assert.rejects(ask(url, new AbortController().signal, LIMITS), {
          name: "ZbudError",
          message: why,
        });
        assert.ok(process.memoryUsage().rss - before < 2 ** 28);
        const { code, stdout, stderr } = await command([name, url.href]);
        assert.equal(code, 2, stderr);
        assert.equal(stdout, "");
        assert.match(stderr, why);
        assert.equal(stderr.trim().split("\n").length, 1);
        assert.doesNotMatch(stderr.trim(), /\p{Cc}/u);
        assert.ok(stderr.length < 1500);
      });
    });
  }

  const slow: [string, () => Server][] = [
    ["never answers", tcp(() => undefined)],
    ["never ends its header", tcp((socket) => void socket.write("HTTP/1.1 200 OK\r\n"))],
    [
      "drips",
      http((response) => {
        response.writeHead(200);
        const timer = setInterval(() => response.write(" "), 20);
        response.on("close", () => clearInterval(timer));
      }),
    ],
    [
      "drips with an error",
      http((response) => {
        response.writeHead(500);
        const timer = setInterval(() => response.write(" "), 20);
        response.on("close", () => clearInterval(timer));
      }),
    ],
  ];
  for (const [name, make] of slow) {
    it(`one that ${name}: a limit on the time of all of it`, async () => {
      await withServer(make, async (url) => {
        const signal = new AbortController().signal;
        for (const ask of [fetchStats, fetchFrame]) {
          await assert.rejects(ask(url, signal, { ...LIMITS, timeoutMs: 300 }), {
            code: "ETIMEDOUT",
            message: /within 0.3 s/,
          });
        }
      });
    });
  }

  it("Ctrl-C is heard while it waits", async () => {
    const connected = Promise.withResolvers<void>();
    await withServer(
      tcp(() => connected.resolve()),
      async (url) => {
        const child = start(["top", url.href]);
        await connected.promise;
        child.kill("SIGINT");
        assert.equal((await ended(child)).code, 130);
      },
    );
  });

  it("what is shown of a good answer obeys nobody", async () => {
    const counters = {
      "a\x1b]0;title\x07": 1,
      __proto__: 2,
      "\u202ereversed": 1e308,
      nBytes: -1e300,
      tNs: 5e-324,
    };
    const answer = stats(
      { ...HELLO, title: "\x1b[2J\x9b31m" },
      { ...TICK, counters: { ...counters, constructor: 3 }, histograms: { "h\r": [0, -1, 1e308] } },
    );
    await withServer(http(body(answer)), async (url) => {
      const { code, stdout, stderr } = await command(["top", url.href, "--count", "2", "--every", "100"]);
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stdout.replaceAll("\n", ""), /[\p{Cc}\u202e]/u);
      assert.doesNotMatch(stdout, /NaN|undefined|function/);
      assert.match(stdout, /^constructor +3$/m);
    });
  });
});

describe("answers of the right form with wrong content", () => {
  const wrong = [
    stats(null, TICK),
    stats({ title: 7, pages: true, player: true }, TICK),
    stats({ ...HELLO, title: "x".repeat(100_000) }, TICK),
    stats({ title: "x" }, TICK),
    stats(HELLO, null),
    stats(HELLO, []),
    tick({ at: null }),
    tick({ at: "1" }),
    tick({ counters: null }),
    tick({ counters: [1] }),
    tick({ counters: { a: null } }),
    tick({ counters: { a: "1" } }),
    tick({ counters: { a: {} } }),
    tick({ counters: { ["a".repeat(1000)]: 1 } }),
    tick({ counters: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [i, i])) }),
    tick({ histograms: { a: 1 } }),
    tick({ histograms: { a: [null] } }),
    tick({ histograms: { a: ["1"] } }),
    tick({ histograms: { a: { length: 1e9 } } }),
    tick({ histograms: { a: new Array(200_000).fill(1) } }),
    tick({ texts: null }),
    tick({ texts: { a: 1 } }),
    tick({ texts: { a: "x".repeat(100_000) } }),
    tick({ users: "x" }),
    tick({ users: [{ pid: "1", threads: 1 }] }),
    tick({ users: undefined }),
    tick({ entries: 1 }),
    tick({ entries: { ...TICK.entries, sizes: null } }),
    tick({ entries: { ...TICK.entries, counted: "2" } }),
    tick({ entries: { ...TICK.entries, keys: [{ key: "x".repeat(1000), bytes: 1 }] } }),
    tick({ evictedFrom: "x" }),
    tick({ evictedFrom: [{}] }),
    tick({ decisions: "x" }),
    tick({ decisions: [{ at: 1 }] }),
    tick({ decisions: [{ at: "1", text: "a" }] }),
    tick({ player: 1 }),
    tick({ player: { playing: true } }),
    tick({}).replace('"at":1000', '"at":1e999'),
    "[".repeat(100_000),
    '"x"',
    "7",
  ];
  it("counters", async () => {
    let at = 0;
    await withServer(
      http((response) => response.end(wrong[at])),
      async (url) => {
        const { signal } = new AbortController();
        for (at = 0; at < wrong.length; at++) {
          await assert.rejects(fetchStats(url, signal), { code: "EBADMSG" }, wrong[at].slice(0, 100));
        }
      },
    );
    assert.deepEqual(
      { ...checkTick(TICK), counters: 0, histograms: 0, texts: 0 },
      { ...TICK, counters: 0, histograms: 0, texts: 0 },
    );
    assert.deepEqual(checkHello({ ...HELLO, more: 1 }), HELLO);
  });

  const huge = 2 ** 31 - 1;
  const frames: [string, Buffer][] = [
    ["a page that has all objects", frame(({ starts }) => (starts[1] = huge))],
    ["a page that ends before it begins", frame(({ starts }) => (starts[0] = 1))],
    ["fewer objects than there are", frame(({ starts }) => (starts[2] = 1))],
    ["a list of all pages", frame(({ listStarts }) => (listStarts[1] = huge))],
    ["an object behind its page", frame(({ offsets }) => (offsets[0] = 5000))],
    ["an object before its page", frame(({ offsets }) => (offsets[0] = -1))],
    ["an object of less than no bytes", frame(({ sizes }) => (sizes[1] = -1))],
    ["a page of no bytes", frame(({ bytes }) => (bytes[0] = 0))],
    ["a page of a number below 0", frame(({ pages }) => (pages[0] = -1))],
    ["a page of a number beyond all", frame(({ pages }) => (pages[0] = huge))],
    ["a name that is none", frame(() => undefined, { type: 7 })],
    ["a size that is none", frame(() => undefined, { pageSize: "x" })],
    ["lists of no names", frame(() => undefined, { lists: [7] })],
    ["lists that are a text", frame(() => undefined, { lists: [["a"]] })],
  ];
  for (const [name, bytes] of frames) {
    it(`a snapshot with ${name}`, async () => {
      await withServer(http(body(bytes)), async (url) => {
        await assert.rejects(fetchFrame(url, new AbortController().signal), { code: "EBADMSG" });
      });
    });
  }

  it("a snapshot that declares 10^9 of everything, or numbers that are none", () => {
    const good = frame(() => undefined);
    assert.equal(decodeFrame(new Uint8Array(good).buffer).pages.length, 2);
    const length = good.readInt32LE(4);
    const header = JSON.parse(good.toString("utf8", 8, 8 + length)) as { counts: Record<string, number> };
    for (const count of [1e9, 1e300, -1, 1.5, null, "2", [2]]) {
      for (const name of Object.keys(header.counts)) {
        const text = json({ ...header, counts: { ...header.counts, [name]: count } });
        const bytes = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8 + good.length);
        bytes.writeInt32LE(good.readInt32LE(0), 0);
        bytes.writeInt32LE(text.length, 4);
        bytes.write(text, 8);
        assert.throws(
          () => decodeFrame(new Uint8Array(bytes).buffer),
          { code: "EBADMSG" },
          `${name} ${count}`,
        );
      }
    }
  });
});
