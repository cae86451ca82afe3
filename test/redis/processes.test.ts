import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { after, afterEach, before, describe, it } from "node:test";
import { until } from "../support/until.ts";
import type { Order } from "./machine-child.ts";
import { RedisServer } from "./server.ts";

/** A process with a cache of its own, or with the one of its name. */
class Machine {
  readonly child: ChildProcess;
  readonly loads: string[] = [];
  isReady = false;
  readonly #answers: Map<number, (result: unknown) => void> = new Map();
  #id = 0;

  constructor(url: string, shared?: string) {
    this.child = fork(new URL("./machine-child.ts", import.meta.url), [
      url,
      ...(shared === undefined ? [] : [shared]),
    ]);
    this.child.on("message", (message: { id?: number; result?: unknown; loads?: string }) => {
      if (message.loads !== undefined) this.loads.push(message.loads);
      else if (message.id === undefined) this.isReady = true;
      else this.#answers.get(message.id)?.(message.result);
    });
  }

  do(order: Order): Promise<unknown> {
    const id = this.#id++;
    this.child.send({ id, order });
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await gone;
  }
}

describe("processes with caches on one Redis server", () => {
  let server: RedisServer;
  let machines: Machine[] = [];
  before(async () => {
    server = await RedisServer.start();
  });
  after(() => server.stop());
  afterEach(async () => {
    for (const machine of machines) await machine.kill();
    machines = [];
    await server.command(["FLUSHALL"]);
  });

  async function start(count: number, shared?: string): Promise<Machine[]> {
    machines = Array.from({ length: count }, () => new Machine(server.url, shared));
    await until("they are ready", () => machines.every(({ isReady }) => isReady));
    return machines;
  }

  it("see each other's sets, deletes, tags and clears", async () => {
    const [a, b] = await start(2);
    const isGone = (machine: Machine, key: string): Promise<void> =>
      until("it was dropped", async () => (await machine.do({ do: "get", key })) === undefined);
    await a.do({ do: "set", key: "k", value: 1, tags: ["t"] });
    await a.do({ do: "set", key: "other", value: 1 });
    assert.equal(await b.do({ do: "getAsync", key: "k" }), 1);
    assert.equal(await b.do({ do: "getAsync", key: "other" }), 1);
    await b.do({ do: "set", key: "k", value: 2, tags: ["t"] });
    await isGone(a, "k");
    assert.equal(await a.do({ do: "getAsync", key: "k" }), 2);
    await a.do({ do: "deleteByTag", tag: "t" });
    await isGone(b, "k");
    assert.equal(await b.do({ do: "getAsync", key: "k" }), undefined);
    await a.do({ do: "delete", key: "other" });
    await isGone(b, "other");
    await a.do({ do: "set", key: "k", value: 3 });
    assert.equal(await b.do({ do: "getAsync", key: "k" }), 3);
    await b.do({ do: "clear" });
    await isGone(a, "k");
    assert.equal(await a.do({ do: "getAsync", key: "k" }), undefined);
  });

  it("load once, and a loader that is killed is replaced", async () => {
    const [a, b, c] = await start(3);
    const results = await Promise.all([a, b, c].map((one) => one.do({ do: "load", key: "k" })));
    assert.equal(new Set(results).size, 1);
    assert.equal(a.loads.length + b.loads.length + c.loads.length, 1);
    void a.do({ do: "loadForEver", key: "dies" });
    await until("it loads", () => a.loads.includes("dies"));
    const others = [b, c].map((one) => one.do({ do: "load", key: "dies" }));
    await a.kill();
    const [first, second] = await Promise.all(others);
    assert.equal(first, second);
    assert.equal(b.loads.length + c.loads.length + a.loads.filter((key) => key === "k").length, 2);
  });

  it("of one machine have one memory: what one is told all know, and another listens when it is killed", async () => {
    const name = `zbud-redis-${process.pid}`;
    const [a, b] = await start(2, name);
    const there = new Machine(server.url);
    machines.push(there);
    await until("it is ready", () => there.isReady);
    await there.do({ do: "set", key: "k", value: 1 });
    assert.equal(await a.do({ do: "getAsync", key: "k" }), 1);
    assert.equal(await b.do({ do: "get", key: "k" }), 1);
    await b.do({ do: "set", key: "own", value: 1 });
    for (const [dies, lives] of [
      [a, b],
      [b, null],
    ] as const) {
      await there.do({ do: "set", key: "k", value: 2 });
      await until("it was told", async () => (await dies.do({ do: "getAsync", key: "k" })) === 2);
      await dies.kill();
      if (lives === null) break;
      await until("the other one listens", async () => {
        await lives.do({ do: "getAsync", key: "own" });
        return (await lives.do({ do: "get", key: "own" })) === 1;
      });
      await there.do({ do: "set", key: "own", value: 3 });
      await until("it is told", async () => (await lives.do({ do: "get", key: "own" })) === undefined);
      assert.equal(await lives.do({ do: "getAsync", key: "own" }), 3);
    }
  });
});
