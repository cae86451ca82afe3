/** A cache that processes share outlives each of them, and has for all what it has for one. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { Prng } from "../../src/base/index.ts";
import { type CacheStats, CompressedCache } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { checkBooks } from "../cache/cache-checks.ts";
import { until } from "../support/until.ts";
import { type Op, perform } from "./actor.ts";
import { memoryFolder } from "./board.ts";
import { buildProgram, type Program } from "./programs.ts";
import { membersOf } from "./torture.ts";
import { type Actor, actorAt, endActors } from "./troupe.ts";
import { type Value, versionOf } from "./values.ts";

const KEYS = 3000;
const PARTS = 4;
const OPS = 4000;

/** Random calls. */
function opsOf(seed: number): Op[] {
  const prng = new Prng(seed);
  return Array.from({ length: OPS }, (_, i): Op => {
    const key = prng.below(prng.chance(0.6) ? KEYS / 10 : KEYS);
    const what = prng.below(100);
    if (what < 45) return { do: "set", key, version: i, tags: [`t${key % 50}`] };
    if (what < 85) return { do: "get", key };
    if (what < 90) return { do: "touch", key };
    if (what < 95) return { do: "delete", key };
    if (what < 98) return { do: "peek", key };
    return what === 98 && prng.chance(0.2) ? { do: "deleteByTag", tag: `t${prng.below(50)}` } : { do: "pop" };
  });
}

describe("a cache of processes", { timeout: 300_000 }, () => {
  const folder = memoryFolder("outlives");
  let program: Program;
  let count = 0;
  const freshPath = (): string => join(folder, `cache-${count++}`);
  before(async () => {
    registerBuiltIns();
    const built = temporaryFolder("actor");
    program = await buildProgram(built, "actor");
    await buildProgram(built, "worker", {});
  });
  after(endActors);

  for (const [options, seed] of [
    [{ evict: "lru" }, 1],
    [{ evict: "sieve" }, 2],
    [{ evict: "page", driver: "zbud" }, 3],
    [{ evict: "lru", driver: "zsmalloc", shards: 2 }, 4],
    [{ evict: "lru", driver: "size-classes" }, 5],
  ] as const) {
    const what = JSON.stringify(options);
    it(`${what}: processes one after the other get what one process gets, in the same order of eviction`, async () => {
      const all = { maxBytes: "1MiB", tags: true, dictionary: "none", ...options };
      const removed: [string, string][] = [];
      const onRemoved = (key: unknown, reason: string): void => void removed.push([String(key), reason]);
      const alone = new CompressedCache<Value>({ ...all, onRemoved } as never);
      const path = freshPath();
      const ops = opsOf(seed);
      for (let part = 0; part < PARTS; part++) {
        const these: Op[] = ops.slice((part * OPS) / PARTS, ((part + 1) * OPS) / PARTS);
        const actor = await actorAt(program, path, all, true);
        these.unshift({ do: "keys" }, { do: "size" });
        const results = await actor.run(...these);
        const expected = these.map((op) => perform(alone, op) ?? null);
        for (const [i, result] of results.entries())
          assert.deepEqual(result, expected[i], JSON.stringify(these[i]));
        assert.deepEqual(await actor.tell({ order: "removals" }), removed.splice(0));
        const [stats] = (await actor.run({ do: "stats" })) as CacheStats[];
        const { fallbacks: _, dictionary: __, ...figures } = stats;
        const { fallbacks: ___, dictionary: ____, ...others } = alone.stats();
        assert.deepEqual(figures, others);
        // Every second one leaves without a word.
        await (part % 2 === 0 ? actor.kill() : actor.end());
      }
      alone.close();
    });
  }

  it("a dictionary is learned once, and used by all who come", async () => {
    const path = freshPath();
    const options = { maxBytes: "8MiB", codec: "zstd" };
    const ops = Array.from({ length: 3000 }, (_, i): Op => ({ do: "set", key: 3 * i, version: 16 * i + 3 }));
    const dictionaryOf = async (actor: Actor): Promise<CacheStats["dictionary"]> =>
      ((await actor.run({ do: "stats" })) as CacheStats[])[0].dictionary;
    const first = await actorAt(program, path, options);
    const second = await actorAt(program, path, options);
    let learned: CacheStats["dictionary"] | undefined;
    await until(
      "it is learned",
      async () => {
        await Promise.all([first.run(...ops), second.run(...ops)]);
        learned = await dictionaryOf(first);
        return learned.state !== "learning";
      },
      { patienceMs: 60_000 },
    );
    assert.equal(learned?.state, "in-use");
    assert.equal((await dictionaryOf(second)).bytes, learned?.bytes);
    await first.run(...ops);
    await Promise.all([first.kill(), second.end()]);
    const third = await actorAt(program, path, options);
    const { state, bytes, savedBytes } = await dictionaryOf(third);
    assert.deepEqual([state, bytes], ["in-use", learned?.bytes]);
    assert.ok(savedBytes > 0);
    const gets = ops.map((op): Op => ({ do: "get", key: (op as { key: number }).key }));
    assert.deepEqual(
      await third.run(...gets),
      ops.map((op) => (op as { version: number }).version),
    );
    await third.run(...ops);
    assert.ok((await dictionaryOf(third)).savedBytes > savedBytes, "new values are stored with it");
    await third.end();
  });

  it("each removal is told once, to whoever removed", async () => {
    const path = freshPath();
    const options = { maxBytes: "1MiB", dictionary: "none" };
    const actors = await Promise.all([0, 1, 2].map(() => actorAt(program, path, options, true)));
    const own = await Promise.all(
      actors.map((actor, i) => actor.tell({ order: "churn", name: `own ${i}`, times: 1500, keys: 200 })),
    );
    const told = (await Promise.all(actors.map((actor) => actor.tell({ order: "removals" })))) as [
      string,
      string,
    ][][];
    const [stats] = (await actors[0].run({ do: "stats" })) as CacheStats[];
    const [keys] = (await actors[0].run({ do: "keys" })) as string[][];
    const counts: Record<string, number> = { evicted: 0, replaced: 0, deleted: 0 };
    for (const [, reason] of told.flat()) counts[reason]++;
    const { evictions, replacements, deletions } = stats;
    assert.deepEqual(counts, { evicted: evictions, replaced: replacements, deleted: deletions });
    assert.ok(evictions > 100 && replacements > 10 && deletions > 10);
    const ofOwn = told.flat().filter(([key]) => key.startsWith("own"));
    assert.equal(new Set(ofOwn.map(([key]) => key)).size, ofOwn.length, "told twice");
    const left = keys.filter((key) => String(key).startsWith("own")).length;
    assert.equal(
      ofOwn.length + left,
      own.reduce<number>((sum, each) => sum + Number(each), 0),
    );
    assert.ok(
      told.every((each) => each.length > 100),
      "each of them removed",
    );
    await Promise.all(actors.map((actor) => actor.end()));
  });

  it("a process that is stopped with the lock is waited for, and not taken for dead", {
    timeout: 120_000,
  }, async () => {
    const path = freshPath();
    const options = { maxBytes: "4MiB", dictionary: "none" };
    const holder = await actorAt(program, path, options);
    const other = await actorAt(program, path, options);
    await holder.run({ do: "set", key: 1, version: 1 }, { do: "set", key: 2, version: 1 });
    const points = pointsIn(program, "src/engine/shard.ts", "removeRow");
    assert.ok(points.length > 0);
    await holder.tell({ order: "stop at", points });
    const deleted = holder.run({ do: "delete", key: 1 });
    await until("it has stopped", () => stateOf(holder) === "T");
    const start = performance.now();
    const { error } = await other.ask({ order: "run", ops: [{ do: "get", key: 2 }] });
    const seconds = (performance.now() - start) / 1000;
    assert.equal(error?.code, "EAGAIN");
    assert.ok(seconds > 9 && seconds < 20, `${seconds} s`);
    assert.equal(await other.tell({ order: "recover" }), 0, "it is not gone");
    const waiting = other.run({ do: "get", key: 2 }, { do: "get", key: 1 });
    holder.process.kill("SIGCONT");
    assert.deepEqual(await deleted, [true]);
    assert.deepEqual(await waiting, [1, null]);
    await other.tell({ order: "verify" });
    await Promise.all([holder.end(), other.end()]);
  });

  it("a process that is killed while it is stopped with the lock is repaired after", async () => {
    const path = freshPath();
    const options = { maxBytes: "4MiB", dictionary: "none" };
    const holder = await actorAt(program, path, options);
    const other = await actorAt(program, path, options);
    await holder.run({ do: "set", key: 1, version: 1 }, { do: "set", key: 2, version: 1 });
    await holder.tell({ order: "stop at", points: pointsIn(program, "src/engine/shard.ts", "removeRow") });
    void holder.run({ do: "delete", key: 1 }).catch(() => {});
    await until("it has stopped", () => stateOf(holder) === "T");
    const waiting = other.run({ do: "get", key: 2 });
    await holder.kill();
    assert.deepEqual(await waiting, [1]);
    await other.tell({ order: "verify" });
    await other.end();
  });

  it("a process that is stopped without the lock keeps nobody from going on", async () => {
    const path = freshPath();
    const options = { maxBytes: "4MiB", dictionary: "none" };
    const [stopped, other] = await Promise.all([0, 1].map(() => actorAt(program, path, options)));
    await stopped.run({ do: "set", key: 1, version: 1 });
    stopped.process.kill("SIGSTOP");
    await until("it has stopped", () => stateOf(stopped) === "T");
    assert.deepEqual(await other.run({ do: "get", key: 1 }, { do: "set", key: 1, version: 2 }), [
      1,
      "replace",
    ]);
    assert.equal(await other.tell({ order: "recover" }), 0);
    assert.equal(membersOf(path), 2);
    stopped.process.kill("SIGCONT");
    assert.deepEqual(await stopped.run({ do: "get", key: 1 }), [2]);
    await Promise.all([stopped.end(), other.end()]);
  });

  it("worker threads of several processes: threads and processes end at any moment, the others go on", async () => {
    const path = freshPath();
    const options = { maxBytes: "2MiB", shards: 2 };
    const actors = await Promise.all([0, 1].map(() => actorAt(program, path, options)));
    for (const actor of actors) assert.equal(await actor.tell({ order: "workers", count: 2 }), 2);
    const cache = new CompressedCache<Value>({ ...options, shared: path } as never);
    assert.equal(membersOf(path), 7);
    const sets = (): number => cache.stats().sets;
    const goesOn = async (): Promise<void> => {
      const wanted = sets() + 500;
      await until("the others go on", () => sets() > wanted, { patienceMs: 60_000 });
      verify(cache);
      for (const key of [...cache.keys()].slice(0, 50)) {
        const value = cache.peek(key);
        if (value !== undefined) versionOf(Number(key), value);
      }
    };
    await goesOn();
    await actors[0].tell({ order: "end worker", worker: 0 });
    await goesOn();
    cache.recover();
    assert.equal(membersOf(path), 6, "the thread's place is free");
    await actors[1].kill();
    await goesOn();
    cache.recover();
    assert.equal(membersOf(path), 3, "the process's places are free");
    await actors[0].tell({ order: "end worker", worker: 1 });
    await actors[0].tell({ order: "close" });
    cache.recover();
    assert.equal(membersOf(path), 1);
    await actors[0].end();
    checkBooks(cache as CompressedCache<unknown>);
    cache.close();
  });

  it("snapshots and diagnostics see what all processes have", async () => {
    const path = freshPath();
    const options = { maxBytes: "4MiB", dictionary: "none" };
    const [one, other] = await Promise.all([0, 1].map(() => actorAt(program, path, options)));
    await one.run(...Array.from({ length: 900 }, (_, key): Op => ({ do: "set", key, version: 1 })));
    await other.tell({ order: "verify" });
    assert.equal(await other.tell({ order: "snapshot" }), await one.tell({ order: "snapshot" }));
    await Promise.all([one.end(), other.end()]);
  });
});

/** Numbers of the points in one function. */
function pointsIn({ points }: Program, file: string, name: string): number[] {
  return points.flatMap(({ where }, point) =>
    where.startsWith(file) && where.endsWith(` ${name}`) ? [point] : [],
  );
}

/** What the system says that a process does: T if it is stopped. */
function stateOf({ process: { pid } }: Actor): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2)[0];
}
