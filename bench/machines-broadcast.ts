/** What it costs the server to tell connections of a change, as `CLIENT TRACKING` by prefix does. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { freePort, RedisServer } from "../test/redis/server.ts";
import { until } from "../test/support/until.ts";
import type { BenchOptions, Row } from "./harness.ts";

/** Of a large cluster. */
const MASTERS = 100;
const PREFIX = "zbud:";
const CONNECTIONS = [10, 100, 500];
/** Changes that come in one turn of the server's event loop are told in one message. */
const PIPELINED = 16;

/** One row for each number of connections: µs of the server's CPU for a write, told and not told. */
export async function broadcastRows(suite: string, { quick, log }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  const server = await RedisServer.start(["--maxclients", "2000"]);
  try {
    for (const count of quick ? [10] : CONNECTIONS) {
      log(`  a write is told to ${count} connections …`);
      const writes = quick ? 200 : Math.max(2000, Math.floor(400_000 / count));
      for (const at of [1, PIPELINED]) {
        const alone = await microsPerWrite(server, 0, writes, at);
        const told = await microsPerWrite(server, count, writes, at);
        const how = at === 1 ? "one at a time" : `${at} at once`;
        const what = `server CPU for a write told to ${count} connections, ${how}`;
        rows.push({
          ...{ suite, case: what, ours: told.micros, peer: "told to nobody", theirs: alone.micros },
          ...{ unit: "µs", ratio: told.micros / alone.micros },
        });
        log(`    ${how}: ${(told.bytes / count).toFixed(0)} bytes a write for each connection`);
      }
    }
  } finally {
    await server.stop();
  }
  rows.push(...(await questionRows(suite, quick)));
  return rows;
}

/** What a machine asks: whether an entry is still the server's, and in a cluster who has which keys. */
async function questionRows(suite: string, quick: boolean): Promise<Row[]> {
  const server = await RedisServer.start([
    "--cluster-enabled",
    "yes",
    "--cluster-port",
    String(await freePort()),
  ]);
  const socket = await open(server.port);
  try {
    // As many ranges as there are masters; gaps keep them apart.
    const ranges = Array.from({ length: MASTERS }, (_, i) => {
      const from = Math.floor((i * 16_384) / MASTERS);
      return [from, Math.floor(((i + 1) * 16_384) / MASTERS) - 2];
    });
    for (const [from, to] of ranges) await server.command(["CLUSTER", "ADDSLOTSRANGE", `${from}`, `${to}`]);
    await server.command(["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    await until("it serves", async () => {
      return (await server.command(["CLUSTER", "INFO"])).includes("cluster_state:ok");
    });
    await server.command(["SET", "k", "v".repeat(1300)]);
    const count = quick ? 50 : 3000;
    const ping = await microsOf(server, socket, "PING\r\n", count);
    const questions: [string, string][] = [
      ["a comparison of an entry (GETRANGE)", "GETRANGE k 0 207\r\n"],
      ["a GET of 1.3 KB", "GET k\r\n"],
      [`who has which keys, ${MASTERS} masters (CLUSTER SLOTS)`, "CLUSTER SLOTS\r\n"],
      ["how the cluster is (CLUSTER INFO)", "CLUSTER INFO\r\n"],
    ];
    const rows: Row[] = [];
    for (const [what, text] of questions) {
      const ours = await microsOf(server, socket, text, count);
      const row = { suite, case: `server CPU for ${what}`, ours, peer: "PING", theirs: ping, unit: "µs" };
      rows.push({ ...row, ratio: ours / ping });
    }
    return rows;
  } finally {
    socket.destroy();
    await server.stop();
  }
}

/** A command again and again, one at a time; a PING behind it tells where its answer ends. */
async function microsOf(server: RedisServer, socket: Socket, text: string, count: number): Promise<number> {
  const before = await cpuOf(server);
  for (let i = 0; i < count; i++) await ask(socket, `${text}PING\r\n`, "+PONG\r\n");
  return ((await cpuOf(server)) - before) * (1e6 / count);
}

async function microsPerWrite(
  server: RedisServer,
  listeners: number,
  writes: number,
  at: number,
): Promise<{ micros: number; bytes: number }> {
  const sockets: Socket[] = [];
  let bytes = 0;
  try {
    for (let i = 0; i < listeners; i++) {
      const socket = await open(server.port);
      await ask(socket, `HELLO 3\r\nCLIENT TRACKING ON BCAST PREFIX ${PREFIX} NOLOOP\r\n`, "+OK\r\n");
      socket.on("data", (data) => {
        bytes += data.length;
      });
      sockets.push(socket);
    }
    const writer = await open(server.port);
    sockets.push(writer);
    await write(writer, 100, at);
    const before = await cpuOf(server);
    bytes = 0;
    await write(writer, writes, at);
    const after = await cpuOf(server);
    // What was written last is told within a turn of the server's.
    await ask(writer, "PING\r\n", "+PONG\r\n");
    return { micros: ((after - before) / writes) * 1e6, bytes: bytes / writes };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

async function write(socket: Socket, writes: number, at: number): Promise<void> {
  for (let i = 0; i < writes; i += at) {
    let text = "";
    for (let j = 0; j < at; j++) text += `SET ${PREFIX}user:${(i + j) % 5000} value-of-some-length\r\n`;
    await ask(socket, text, "+OK\r\n".repeat(at));
  }
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  await once(socket, "connect");
  return socket;
}

/** Sends text, and waits for an answer that ends so. */
async function ask(socket: Socket, text: string, end: string): Promise<void> {
  let seen = "";
  await new Promise<void>((resolve, reject) => {
    const take = (data: Buffer): void => {
      seen = (seen + data.toString("latin1")).slice(-Math.max(end.length, 200));
      if (!seen.endsWith(end)) return;
      socket.off("data", take);
      socket.off("error", reject);
      resolve();
    };
    socket.on("data", take);
    socket.once("error", reject);
    socket.write(text);
  });
}

/** Seconds of CPU that the server has taken. */
async function cpuOf(server: RedisServer): Promise<number> {
  const info = await server.command(["INFO", "cpu"]);
  const value = (name: string): number => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1] ?? 0);
  return value("used_cpu_user") + value("used_cpu_sys");
}
