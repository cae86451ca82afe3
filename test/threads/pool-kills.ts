/** Workers under load, and one after the other is killed at a random moment. Used by the test and the soak. */

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { Prng } from "../../src/base/index.ts";
import type { Pool } from "../../src/pool/index.ts";
import { oneFile } from "../support/one-file.ts";
import { until } from "../support/until.ts";
import { ExpectedObjects, finishPool, recoverAll } from "./expected-objects.ts";
import type { End } from "./kill-worker.ts";
import { EVICT_ACTS, type LoadPlan } from "./load.ts";
import { type DriverName, makeShared } from "./pools.ts";
import { startWorker, WorkerGroup } from "./worker-group.ts";

export interface KillOptions {
  /** Whose pool; default zbud. */
  driver?: DriverName;
  kills: number;
  seed: number;
  /** Ends earlier after this time. */
  secondsMax?: number;
  threads?: number;
  onKill?: (killed: number) => void;
}

/** What a run of kills has seen. */
export interface KillReport {
  kills: Record<End, number>;
  /** Objects that died with the thread that had them in its hands. */
  orphans: number;
  /** Pages that dead threads had under reclaim, or locks that they held, so that something was to repair. */
  repairs: number;
  operations: number;
  seconds: number;
}

/** How long the survivors may take for {@link PROGRESS} operations, on a busy machine. */
const PROGRESS_MS_MAX = 20_000;
const PROGRESS = 200;
/** The most of a killed worker's life, in ms. */
const LIFE_MS_MAX = 12;
const HEAP_MB = 24;
/** Every so many-th worker ends by itself. */
const OWN_EVERY = 8;

interface Peer {
  worker: Worker;
  owner: number;
  end: End;
  /** Noted while it runs: it is -1 afterwards. */
  threadId: number;
  gone: boolean;
  error: unknown;
}

/**
 * Kills workers under load, one by one, and after each death: the survivors go on; then, at a quiet point,
 * the pool is whole, every object that anybody had is there and intact, also the dead thread's, and at most
 * the one operation that it was in is undone or done. The survivors take over and free what it had.
 */
export async function killWorkers(options: KillOptions): Promise<KillReport> {
  const run = new KillRun(options);
  try {
    return await run.run();
  } finally {
    await run.end();
  }
}

class KillRun {
  readonly #options: KillOptions;
  readonly #prng: Prng;
  readonly #driver: DriverName;
  readonly #pool: Pool;
  readonly #expected: ExpectedObjects;
  readonly #group = new WorkerGroup();
  readonly #peers: Peer[] = [];
  #program = "";
  #started = 0;
  readonly #report: KillReport = {
    kills: { killed: 0, outOfMemory: 0, uncaught: 0, exit: 0 },
    orphans: 0,
    repairs: 0,
    operations: 0,
    seconds: 0,
  };

  constructor(options: KillOptions) {
    this.#options = options;
    this.#prng = new Prng(Math.imul(options.seed, 0x9e3779b1) ^ 0x51ed270b);
    const maxPages = 16 + this.#prng.below(100);
    this.#driver = options.driver ?? "zbud";
    this.#pool = makeShared(this.#driver, { maxPages, pageSize: 1024 });
    this.#expected = ExpectedObjects.make(this.#pool);
  }

  async run(): Promise<KillReport> {
    const { kills, threads = 4, secondsMax = Number.POSITIVE_INFINITY, onKill } = this.#options;
    this.#program = await oneFile(join(import.meta.dirname, "kill-worker.ts"));
    const start = performance.now();
    for (let i = 0; i < threads; i++) this.#start(i);
    for (let i = 0; i < kills && performance.now() - start < secondsMax * 1000; i++) {
      await this.#oneDeath();
      onKill?.(i + 1);
    }
    await this.end();
    this.#recover();
    const last = this.#expected.audit(this.#pool);
    assert.ok(last.length <= threads, `${last.length} objects in the hands of ${threads} killed threads`);
    this.#expected.freeAll(this.#pool);
    finishPool(this.#pool);
    this.#pool.close();
    this.#report.seconds = (performance.now() - start) / 1000;
    return this.#report;
  }

  async end(): Promise<void> {
    await Promise.all(this.#peers.map(({ worker }) => worker.terminate()));
    for (const { threadId } of this.#peers) this.#tell(threadId);
    this.#peers.length = 0;
  }

  #start(owner: number): void {
    const kinds: readonly End[] = ["outOfMemory", "uncaught", "exit"];
    const isOwn = ++this.#started % OWN_EVERY === 0;
    const end = isOwn ? kinds[(this.#started / OWN_EVERY) % kinds.length] : "killed";
    const plan: LoadPlan = {
      driver: this.#driver,
      shared: this.#pool.share(),
      expected: this.#expected.buffer,
      owner,
      seed: this.#options.seed + 1000 * this.#started,
      // Who ends by itself does so in the evict handler, so it needs one.
      act: end === "killed" ? EVICT_ACTS[this.#prng.below(EVICT_ACTS.length)] : "mixed",
      liveMax: 40,
    };
    this.#group.forget(owner);
    const worker = startWorker(
      this.#program,
      { plan, control: this.#group.words, end },
      { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB }, stderr: true },
    );
    const peer: Peer = { worker, owner, end, threadId: worker.threadId, gone: false, error: null };
    worker.on("error", (error) => {
      peer.error = error;
    });
    worker.on("exit", () => {
      peer.gone = true;
    });
    this.#peers.push(peer);
  }

  async #oneDeath(): Promise<void> {
    const peers = this.#peers;
    // Mostly one that is at work; now and then one that is just starting and attaching.
    const hasWorked = (peer: Peer): boolean => this.#group.doneBy(peer.owner) > 0 || peer.gone;
    const isAnyone = this.#prng.chance(0.05);
    await until("a worker at work", () => isAnyone || peers.some(hasWorked));
    const candidates = isAnyone ? peers : peers.filter(hasWorked);
    const victim = candidates.find(({ gone }) => gone) ?? candidates[this.#prng.below(candidates.length)];
    if (victim.end === "killed") {
      await new Promise((resolve) => setTimeout(resolve, this.#prng.below(LIFE_MS_MAX)));
      // Not between two turns of the event loop only: some moments in between.
      for (let spin = this.#prng.below(20_000); spin > 0; spin--) this.#group.doneBy(spin & 31);
      await victim.worker.terminate();
    } else {
      await until("a worker ends by itself", () => victim.gone);
    }
    this.#checkEnd(victim);
    this.#report.kills[victim.end]++;
    this.#report.operations += this.#group.doneBy(victim.owner);
    peers.splice(peers.indexOf(victim), 1);
    this.#tell(victim.threadId);
    await this.#seeProgress();
    await this.#group.quietly(
      () =>
        peers.filter(({ gone, owner }) => !gone && this.#group.doneBy(owner) > 0).map(({ owner }) => owner),
      () => this.#audit(1),
    );
    this.#start(victim.owner);
  }

  /** A worker must end as it was meant to; an assertion that failed in it is the test's failure. */
  #checkEnd({ end, error }: Peer): void {
    const text = String(error);
    const expected =
      error === null
        ? end === "killed" || end === "exit"
        : end === "outOfMemory"
          ? text.includes("ERR_WORKER_OUT_OF_MEMORY") || text.includes("memory limit")
          : end === "uncaught" && text.includes("which nobody catches");
    if (!expected) assert.fail(new Error(`a worker meant to be ${end} ended otherwise`, { cause: error }));
  }

  /** The others go on by themselves: nobody repairs for them. */
  async #seeProgress(): Promise<void> {
    const others = this.#peers.filter(({ gone, owner }) => !gone && this.#group.doneBy(owner) > 0);
    if (others.length === 0) return;
    const before = new Map(others.map((peer) => [peer, this.#group.doneBy(peer.owner)]));
    await until(
      "the others go on",
      () =>
        others.some(
          (peer) => peer.gone || this.#group.doneBy(peer.owner) - (before.get(peer) as number) > PROGRESS,
        ),
      { patienceMs: PROGRESS_MS_MAX },
    );
  }

  /** @param deaths - since the last audit: each had at most one object in its hands. */
  #audit(deaths: number): void {
    this.#recover();
    const orphans = this.#expected.audit(this.#pool);
    // A worker that ended by itself since then is counted too.
    const alsoGone = this.#peers.filter(({ gone }) => gone).length;
    assert.ok(
      orphans.length <= deaths + alsoGone,
      `${orphans.length} objects without an owner after a death`,
    );
    for (const handle of orphans) this.#pool.free(handle);
    this.#report.orphans += orphans.length;
  }

  #recover(): void {
    if (recoverAll(this.#pool) > 0) this.#report.repairs++;
  }

  /** Only Linux lets threads find out. */
  #tell(threadId: number): void {
    if (process.platform !== "linux") this.#pool.threadGone(threadId);
  }
}
