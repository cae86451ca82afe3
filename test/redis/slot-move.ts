/** Moves a slot of a cluster from one master to another as `redis-cli --cluster reshard` does, in the steps of a test. */

import { Redis } from "ioredis";
import type { RedisServer } from "./server.ts";

const MIGRATE_MS = 5000;
const ALL = 1000;

export class SlotMove {
  readonly slot: number;
  readonly #from: Redis;
  readonly #to: Redis;
  readonly #target: RedisServer;
  readonly #others: readonly RedisServer[];

  private constructor(slot: number, from: RedisServer, to: RedisServer, others: readonly RedisServer[]) {
    this.slot = slot;
    this.#from = new Redis(from.url, { retryStrategy: () => null });
    this.#to = new Redis(to.url, { retryStrategy: () => null });
    this.#target = to;
    this.#others = others;
  }

  /** The slot is half moved from here on. @param others - masters that are told first when it is at its new place. */
  static async begin(
    slot: number,
    from: RedisServer,
    to: RedisServer,
    others: readonly RedisServer[] = [],
  ): Promise<SlotMove> {
    const move = new SlotMove(slot, from, to, others);
    await move.#to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", await idOf(move.#from));
    await move.#from.call("CLUSTER", "SETSLOT", slot, "MIGRATING", await idOf(move.#to));
    return move;
  }

  /** Leaves a slot whose move failed where it is, and drops what of it is elsewhere. */
  static async undo(slot: number, owner: RedisServer, others: readonly RedisServer[]): Promise<void> {
    for (const other of others) {
      const move = await SlotMove.begin(slot, owner, other);
      const keys = (await move.#to.callBuffer("CLUSTER", "GETKEYSINSLOT", slot, ALL)) as Buffer[];
      for (const key of keys) await Promise.all([move.#to.call("ASKING"), move.#to.del(key)]);
      await move.#to.call("CLUSTER", "SETSLOT", slot, "STABLE");
      await move.#from.call("CLUSTER", "SETSLOT", slot, "STABLE");
      move.close();
    }
  }

  /** @returns how many keys were moved: at most `max`. */
  async some(max: number): Promise<number> {
    const keys = (await this.#from.callBuffer("CLUSTER", "GETKEYSINSLOT", this.slot, max)) as Buffer[];
    const place = ["127.0.0.1", this.#target.port, "", 0, MIGRATE_MS];
    if (keys.length > 0) await this.#from.callBuffer("MIGRATE", ...place, "KEYS", ...keys);
    return keys.length;
  }

  /** Moves the keys that are left, and gives the slot to its new master. */
  async end(): Promise<void> {
    while ((await this.some(ALL)) > 0);
    const id = await idOf(this.#to);
    await this.#to.call("CLUSTER", "SETSLOT", this.slot, "NODE", id);
    await this.#from.call("CLUSTER", "SETSLOT", this.slot, "NODE", id);
    for (const server of this.#others)
      await server.command(["CLUSTER", "SETSLOT", String(this.slot), "NODE", id]);
    this.close();
  }

  close(): void {
    this.#from.disconnect();
    this.#to.disconnect();
  }
}

async function idOf(node: Redis): Promise<string> {
  return (await node.call("CLUSTER", "MYID")) as string;
}
