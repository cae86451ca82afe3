import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { until } from "../support/until.ts";
import { RedisCluster } from "./cluster.ts";
import { TcpProxy } from "./proxy.ts";
import { RedisServer } from "./server.ts";

/** A connection, and the text that came over it. */
async function open(port: number) {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const seen = { text: "", isClosed: false };
  socket.on("data", (data) => {
    seen.text += data.toString("latin1");
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    seen.isClosed = true;
  });
  return {
    seen,
    send: (line: string): boolean => socket.write(`${line}\r\n`),
    end: (): void => void socket.destroy(),
  };
}

describe("what tests of several machines stand on", () => {
  it("a proxy passes, holds, drops, refuses, and cuts in the middle of an answer", async (t) => {
    const server = await RedisServer.start();
    const proxy = await TcpProxy.start(server.port);
    t.after(async () => {
      await proxy.stop();
      await server.stop();
    });
    const one = await open(proxy.port);
    one.send("ECHO hello");
    await until("an answer", () => one.seen.text === "$5\r\nhello\r\n");
    proxy.mode = "hold";
    one.send("ECHO later");
    const other = await open(proxy.port);
    other.send("PING");
    await until("the server got neither", async () => (await server.command(["PING"])) === "+PONG");
    assert.equal(one.seen.text, "$5\r\nhello\r\n");
    proxy.mode = "pass";
    await until("both go on", () => one.seen.text.endsWith("later\r\n") && other.seen.text === "+PONG\r\n");
    proxy.delayMs = 5;
    one.send("ECHO a");
    one.send("ECHO b");
    await until("in their order", () => one.seen.text.endsWith("$1\r\na\r\n$1\r\nb\r\n"));
    proxy.delayMs = 300;
    one.send("ECHO c");
    await until("it is answered", async () =>
      (await server.command(["INFO", "commandstats"])).includes("cmdstat_echo:calls=5"),
    );
    proxy.delayMs = 0;
    one.send("ECHO d");
    await until("also when it is no longer slow", () => one.seen.text.endsWith("$1\r\nc\r\n$1\r\nd\r\n"));
    proxy.cutAfter(6);
    other.send("ECHO 0123456789");
    await until("it was cut", () => other.seen.isClosed);
    assert.equal(other.seen.text, "+PONG\r\n$10\r\n0");
    proxy.mode = "drop";
    one.send("ECHO lost");
    proxy.mode = "pass";
    const replica = await open(proxy.port);
    replica.send("PSYNC ? -1");
    await until("it is a replica", () => replica.seen.text.includes("FULLRESYNC"));
    proxy.mode = "drop";
    proxy.mode = "pass";
    await until("it is told, and connects again", () => replica.seen.isClosed);
    const third = await open(proxy.port);
    third.send("PING");
    await until("a new connection works", () => third.seen.text === "+PONG\r\n");
    assert.ok(!one.seen.text.includes("lost") && !one.seen.isClosed, "the old one says nothing, nor ends");
    proxy.mode = "refuse";
    await until("all are ended", () => one.seen.isClosed && third.seen.isClosed);
    const fourth = await open(proxy.port);
    await until("new ones too", () => fourth.seen.isClosed);
    assert.equal(proxy.connections, 0);
  });

  it("a cluster of three masters and three replicas: each is killed, stopped, cut off, and comes back", async (t) => {
    const cluster = await RedisCluster.start({ replicas: 1, proxied: true, nodeTimeoutMs: 500 });
    t.after(() => cluster.stop());
    assert.equal(cluster.urls.length, 6);
    const before = await cluster.currentMasters();
    assert.equal(before.length, 3);
    const [killed, stopped] = before;
    await killed.server.kill();
    await until("a replica takes over", async () => {
      const now = await cluster.currentMasters();
      return now.length === 3 && !now.includes(killed);
    });
    await killed.server.restart();
    await cluster.settled();
    stopped.server.pause();
    await until("another takes over", async () => {
      const now = await cluster.currentMasters();
      return now.length === 3 && !now.includes(stopped);
    });
    stopped.server.resume();
    await cluster.settled();
    const after = await cluster.currentMasters();
    assert.ok(!after.includes(killed) && !after.includes(stopped));
    const [node] = after;
    assert.ok(node.proxy !== null);
    node.proxy.mode = "refuse";
    await cluster.settled();
    assert.deepEqual(await cluster.currentMasters(), after, "clients are cut off, the servers are not");
  });
});
