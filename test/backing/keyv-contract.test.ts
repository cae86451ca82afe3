import { after, before, describe } from "node:test";
import KeyvRedis from "@keyv/redis";
import { Keyv } from "keyv";
import { Keyv as Keyv6 } from "keyv6";
import { KeyvBacking, type KeyvLike } from "../../src/backing/index.ts";
import type { BackingKind } from "../contracts/backing/kind.ts";
import { backingContract } from "../contracts/backing.ts";
import { RedisServer } from "../redis/server.ts";

/** A contract's kind for stores that `make` makes, each empty. */
function kindOf(name: string, make: () => KeyvLike): BackingKind {
  return {
    name: `keyv: ${name}`,
    open: (options = {}) =>
      Promise.resolve(new KeyvBacking({ store: make(), timeoutMs: 20_000, ...options })),
    openSmall: null,
    isExact: false,
    findsUnderWay: true,
    maxLength: 20_000,
  };
}

backingContract(kindOf("a Map", () => new Map<string, unknown>()));
backingContract(kindOf("Keyv 5", () => new Keyv()));
backingContract(kindOf("Keyv 6", () => new Keyv6()));
backingContract(kindOf("the adapter of a Keyv 6", () => new Keyv6().store as KeyvLike));

describe("on a Redis server", () => {
  let server: RedisServer | null = null;
  const stores: KeyvRedis<string>[] = [];
  let count = 0;
  /** Each in a namespace of its own, so that it begins empty. */
  const redis = (): KeyvRedis<string> => {
    const store = new KeyvRedis<string>(server?.url, { namespace: `own${count++}` });
    stores.push(store);
    return store;
  };
  before(async () => {
    server = await RedisServer.start();
  });
  after(async () => {
    for (const store of stores) await store.disconnect(true);
    await server?.stop();
  });

  backingContract(kindOf("Redis", () => redis()));
  backingContract(kindOf("Keyv 5 on Redis", () => new Keyv({ store: redis(), namespace: `five${count}` })));
  backingContract(kindOf("Keyv 6 on Redis", () => new Keyv6({ store: redis(), namespace: `six${count}` })));
});
