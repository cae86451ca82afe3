/** Four processes that play, what goes wrong meanwhile, and what the checker says of it. */

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Prng } from "../../src/base/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { checkHistory, type Verdict } from "./checker.ts";
import { History } from "./history.ts";
import type { PlayerAnswer, PlayerOrder } from "./player.ts";
import { boundOf, type TierOptions, type TierPlan } from "./tier.ts";
import type { Fault, World } from "./world.ts";

export interface Game {
  readonly world: World;
  readonly processes: number;
  /** Of all of them. */
  readonly operations: number;
  readonly forMs: number;
  readonly seed: number;
  readonly keys?: number;
  readonly entries?: number;
  /** What goes wrong while they play: one after the other, at random. */
  readonly faults: readonly Fault[];
  /** How many times in all. Default: until the players are done. */
  readonly faultsMax?: number;
  /** Processes are stopped for a while too. */
  readonly stopsPlayers?: boolean;
  readonly tier: TierOptions;
}

export interface GameReport extends Verdict {
  /** How often each fault was. */
  readonly faults: Readonly<Record<string, number>>;
  readonly untold: number;
  readonly boundMs: number;
  readonly stats: readonly Record<string, unknown>[];
}

export async function playGame(game: Game): Promise<GameReport> {
  const { world, processes, operations, forMs, seed, keys = 600, entries = 500, tier } = game;
  const files = Array.from({ length: processes }, freshPath);
  const children = files.map(startPlayer);
  try {
    await Promise.all(
      children.map((child, process) => {
        const each = Math.ceil(operations / processes);
        const library: TierPlan["library"] = process % 2 === 0 ? "redis" : "ioredis";
        const place = { process, seed: seed * 1000 + process, file: files[process] };
        const plan = {
          ...place,
          keys,
          entries,
          operations: each,
          forMs,
          tier: { ...tier, ...world.planOf(process), library },
        };
        return tell(child, { order: "open", plan });
      }),
    );
    let isOver = false;
    const playing = Promise.all(children.map((child) => tell(child, { order: "play" })));
    const ended = playing.finally(() => {
      isOver = true;
    });
    const [, faults] = await Promise.all([ended, breakThings(game, children, () => isOver)]);
    const answers = await Promise.all(children.map((child) => tell(child, { order: "end" })));
    await Promise.all(children.map((child) => tell(child, { order: "close" })));
    const histories = files.map((file, process) => History.of(process, readFileSync(file)));
    const all = function* () {
      for (const history of histories) yield* history;
    };
    const boundMs = boundOf(tier);
    const verdict = checkHistory(all(), { boundMs, rollbacks: world.rollbacks });
    const untold = answers.reduce((sum, { untold = 0 }) => sum + untold, 0);
    return { ...verdict, faults, untold, boundMs, stats: answers.map(({ stats = {} }) => stats) };
  } finally {
    for (const child of children) {
      child.kill("SIGCONT");
      child.kill("SIGKILL");
    }
  }
}

/** That nothing was wrong, and that all was told in the end. */
export function checkReport({ shown, violations, hits, untold }: GameReport): void {
  assert.equal(violations, 0, `${violations} reads are wrong, such as\n${shown.join("\n")}`);
  assert.ok(hits > 100, `too few hits: ${hits}`);
  assert.equal(untold, 0, "writes that nobody was told of though all faults are over");
}

async function breakThings(
  { world, faults, faultsMax = Number.POSITIVE_INFINITY, seed, stopsPlayers = false }: Game,
  children: readonly ChildProcess[],
  isOver: () => boolean,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const prng = new Prng(seed);
  const stop: Fault = {
    name: "process: stopped",
    run: async () => {
      const child = children[prng.below(children.length)];
      child.kill("SIGSTOP");
      await sleep(prng.between(20, 1500));
      child.kill("SIGCONT");
    },
  };
  const all = stopsPlayers ? [...faults, stop] : faults;
  for (let round = 0; all.length > 0 && round < faultsMax && !isOver(); round++) {
    await sleep(prng.between(50, 500));
    if (isOver()) break;
    // Each once, before any twice.
    const fault = round < all.length ? all[round] : all[prng.below(all.length)];
    await fault.run(prng);
    counts[fault.name] = (counts[fault.name] ?? 0) + 1;
  }
  await world.settled();
  return counts;
}

function startPlayer(): ChildProcess {
  return fork(join(import.meta.dirname, "player.ts"), {
    execArgv: ["--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
}

async function tell(child: ChildProcess, order: PlayerOrder): Promise<PlayerAnswer> {
  child.send(order);
  const ended = once(child, "exit").then(([code, signal]) =>
    assert.fail(`a player ended with ${code ?? signal}`),
  );
  return ((await Promise.race([once(child, "message"), ended])) as [PlayerAnswer])[0];
}
