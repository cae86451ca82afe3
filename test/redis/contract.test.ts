import { after, before, describe } from "node:test";
import { redisTier } from "../../src/adapters/redis.ts";
import { backingContract } from "../contracts/backing.ts";
import { CLIENTS, type TestClient } from "./clients.ts";
import { RedisServer } from "./server.ts";

describe("a tier on a Redis server", () => {
  let server: RedisServer | null = null;
  const clients = new Map<string, TestClient>();
  let count = 0;
  before(async () => {
    server = await RedisServer.start();
    for (const { name, connect } of CLIENTS) clients.set(name, await connect(server.url));
  });
  after(async () => {
    for (const { end } of clients.values()) end();
    await server?.stop();
  });

  for (const { name } of CLIENTS) {
    backingContract({
      name: `redis by ${name}`,
      // Each under a prefix of its own, so that it begins empty.
      open: (options = {}) =>
        redisTier(clients.get(name)?.client as object, {
          prefix: `${name}${count++}:`,
          timeoutMs: 20_000,
          ...options,
        }),
      openSmall: null,
      isExact: false,
      maxLength: 20_000,
      hitsMin: 0,
    });
  }
});
