/**
 * A process as on a machine of its own: a cache with its memory and a tier that others have too. Does what comes to its
 * mind with keys that all have, at a pace, and notes what and when.
 */

import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { History, Kind, MISS, NO_TAG, now } from "./history.ts";
import { type OpenTier, openTier, type TierPlan } from "./tier.ts";
import { anyTag, numberOf, tagOf, textOf, valueIn } from "./values.ts";

export interface PlayPlan {
  readonly process: number;
  readonly seed: number;
  readonly keys: number;
  /** Entries that its memory holds. */
  readonly entries: number;
  readonly operations: number;
  /** How long that should take at least, in ms. */
  readonly forMs: number;
  readonly tier: TierPlan;
  /** Where its history goes. */
  readonly file: string;
}

/** `"end"`: nothing goes wrong any more. */
export type PlayerOrder = { order: "open"; plan: PlayPlan } | { order: "play" | "end" | "close" };

export interface PlayerAnswer {
  readonly stats?: Record<string, unknown>;
  /** Writes that nobody knows all to be told of. */
  readonly untold?: number;
}

/** A turn of the event loop. */
const TURN_MS = 4;
const PENDING_MAX = 200;
/** So often all processes set the same key at the same time, each once in a while. */
const DUEL_MS = 40;
const DUEL_KEYS = 100;
/** How long the last writes may take to be told, once all faults are over. */
const LAST_MS = 15_000;

class Player {
  readonly #plan: PlayPlan;
  readonly #tier: OpenTier;
  readonly #cache: CompressedCache<string>;
  readonly #history: History;
  readonly #prng: Prng;
  #values = 0;
  #done = 0;
  #duel = 0;
  /** Writes that are not known to be told, in their order. */
  #untold: number[] = [];
  readonly #pending: Set<Promise<void>> = new Set();

  constructor(plan: PlayPlan, tier: OpenTier) {
    this.#plan = plan;
    this.#tier = tier;
    const { backing } = tier;
    this.#cache = new CompressedCache<string>({
      maxBytes: "16MiB",
      maxEntries: plan.entries,
      tags: true,
      backing,
    });
    this.#history = new History(plan.process);
    this.#prng = new Prng(plan.seed);
  }

  async play(): Promise<PlayerAnswer> {
    const { operations, forMs } = this.#plan;
    const start = now();
    let isOver = false;
    const telling = this.#tellUntil(() => isOver);
    while (this.#done < operations) {
      const due = Math.min(operations, Math.ceil(((now() - start + TURN_MS) / forMs) * operations));
      // Who was stopped for a while does not do at once what it missed.
      for (let i = 0; this.#done < due && i < 400; i++) this.#step();
      this.#fight();
      await sleep(TURN_MS);
      while (this.#pending.size > PENDING_MAX) await Promise.race(this.#pending);
    }
    await Promise.all(this.#pending);
    isOver = true;
    await telling;
    return {};
  }

  /** Tells what is left to be told. */
  async end(): Promise<PlayerAnswer> {
    for (const end = now() + LAST_MS; this.#untold.length > 0 && now() < end; ) await this.#tell();
    writeFileSync(this.#plan.file, this.#history.bytes());
    return { stats: { ...this.#cache.stats() }, untold: this.#untold.length };
  }

  async close(): Promise<PlayerAnswer> {
    this.#cache.close();
    await this.#tier.close();
    return {};
  }

  #step(): void {
    this.#done++;
    const prng = this.#prng;
    const { keys } = this.#plan;
    const chance = prng.below(10_000);
    const isFought = chance < 9300 && prng.chance(0.2);
    // Some keys are asked for far more often than others.
    const key = isFought
      ? keys + prng.below(DUEL_KEYS)
      : Math.floor(prng.below(keys) * (prng.below(1000) / 1000));
    if (chance < 5000) this.#get(key);
    else if (chance < 7500) this.#begin(this.#getAsync(key));
    else if (chance < 9300) this.#begin(this.#getOrSet(key));
    else if (chance < 9800) this.#set(key);
    else if (chance < 9950) this.#write(Kind.delete, key, NO_TAG, () => this.#cache.delete(nameOf(key)));
    else if (chance < 9999) {
      const tag = anyTag(prng.below(1000));
      this.#write(Kind.deleteByTag, -1, tag, () => this.#cache.deleteByTag(String(tag)));
    } else this.#write(Kind.clear, -1, NO_TAG, () => this.#cache.clear());
  }

  /** Sets what the others set at this moment. */
  #fight(): void {
    const duel = Math.floor(now() / DUEL_MS);
    if (duel === this.#duel) return;
    this.#duel = duel;
    this.#set(this.#plan.keys + (duel % DUEL_KEYS));
  }

  #begin(work: Promise<void>): void {
    this.#pending.add(work);
    void work.finally(() => this.#pending.delete(work));
  }

  #get(key: number): void {
    const row = this.#history.begin(Kind.read, key, MISS, NO_TAG, now());
    this.#gave(row, this.#cache.get(nameOf(key)));
  }

  async #getAsync(key: number): Promise<void> {
    const row = this.#history.begin(Kind.read, key, MISS, NO_TAG, now());
    this.#gave(row, await this.#cache.getAsync(nameOf(key)));
  }

  async #getOrSet(key: number): Promise<void> {
    const row = this.#history.begin(Kind.read, key, MISS, NO_TAG, now());
    const takesMs = this.#prng.below(4);
    const load = async (
      _: unknown,
      { options }: { options: { tags?: readonly string[] } },
    ): Promise<string> => {
      const value = this.#next();
      const tag = tagOf(value);
      options.tags = tagsOf(tag);
      const row = this.#history.begin(Kind.load, key, value, tag, now());
      if (takesMs > 0) await sleep(takesMs);
      this.#history.end(row, now());
      return textOf(value);
    };
    this.#gave(row, await this.#cache.getOrSet(nameOf(key), load as never));
  }

  #gave(row: number, text: string | undefined): void {
    const at = now();
    this.#history.gave(row, text === undefined ? MISS : valueIn(text), at);
  }

  #set(key: number): void {
    const value = this.#next();
    const tag = tagOf(value);
    const row = this.#history.begin(Kind.set, key, value, tag, now());
    this.#cache.set(nameOf(key), textOf(value), { tags: tagsOf(tag) });
    this.#history.end(row, now());
    this.#untold.push(row);
  }

  #write(kind: Kind, key: number, tag: number, write: () => unknown): void {
    const row = this.#history.begin(kind, key, MISS, tag, now());
    write();
    this.#history.end(row, now());
    this.#untold.push(row);
  }

  #next(): number {
    return numberOf(this.#plan.process, ++this.#values);
  }

  async #tellUntil(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#tell();
      await sleep(TURN_MS);
    }
  }

  /** A flush that succeeds has told of all writes before it. */
  async #tell(): Promise<void> {
    const rows = this.#untold;
    this.#untold = [];
    try {
      await this.#tier.told(this.#cache);
      const at = now();
      for (const row of rows) this.#history.told(row, at);
    } catch {
      this.#untold = [...rows, ...this.#untold];
      await sleep(TURN_MS);
    }
  }
}

function nameOf(key: number): string {
  return `key ${key}`;
}

function tagsOf(tag: number): string[] {
  return tag === NO_TAG ? [] : [String(tag)];
}

registerBuiltIns();
let player: Player | undefined;

async function obey(order: PlayerOrder): Promise<PlayerAnswer> {
  if (order.order === "open") {
    player = new Player(order.plan, await openTier(order.plan.tier));
    return {};
  }
  if (player === undefined) throw new Error("it is not open");
  if (order.order === "play") return await player.play();
  return await (order.order === "end" ? player.end() : player.close());
}

process.on("message", (order: PlayerOrder) => {
  obey(order).then(
    (answer) => process.send?.(answer),
    (error: Error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.once("disconnect", () => process.exit());
