/** Processes under load at one cache or store, which die at random moments and at numbered points. Used by test and soak. */

import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { Prng, ThreadRegistry } from "../../src/base/index.ts";
import { Segment, type SegmentHeader } from "../../src/memory/index.ts";
import { until } from "../support/until.ts";
import { Gate, memoryFolder, SLOTS } from "./board.ts";
import { Board, type End, type Plan } from "./player.ts";
import type { Program } from "./programs.ts";
import type { Truth } from "./truth.ts";

/** What is under load, as the test has it: opened and closed as often as it likes. */
export interface Subject {
  /** Opens it in this process, which plays nobody's part. */
  open(plan: Plan, truth: Truth): Opened;
}

/** A cache or store that the test has open. */
export interface Opened {
  /** Fails unless it is whole and has what the truth says. Nobody is at it. @param deaths - since the beginning. */
  audit(deaths: number): void;
  /** Removes all, and fills it until something has to go, some times. How many entries it held then. */
  capacity(): number[];
  close(): void;
}

export interface TortureOptions {
  subject: Subject;
  program: Program;
  options: Record<string, unknown>;
  keys: number;
  isRoomy: boolean;
  processes: number;
  seed: number;
  /** Kills from outside, at random moments. */
  kills: number;
  /** Which points somebody is to die at: those whose number, divided by this, leaves the seed's remainder. 0: none. */
  pointsEvery: number;
  /** How often all die at once, after that. */
  crashes?: number;
  secondsMax?: number;
  log?: (line: string) => void;
}

export interface TortureReport {
  kills: number;
  /** Deaths at points of which nobody had died at before, and how many points there are. */
  pointDeaths: number;
  points: number;
  crashes: number;
  /** Keys that somebody was changing when it died. */
  inChange: number;
  steps: number;
  audits: number;
  seconds: number;
  /** Points that nobody met. */
  missed: string[];
}

interface Player {
  process: ChildProcessByStdio<null, null, Readable>;
  slot: number;
  owner: number;
  end: End;
  stderr: string;
  /** Whether this test killed it. */
  isKilled: boolean;
  exit: Promise<void>;
}

/** Who has all keys while the test looks at them. */
const NOBODY = -1;
/** The most of a process's life after it began, in ms. */
const LIFE_MS_MAX = 30;
const DEATHS_AN_AUDIT = 10;
/** New points are given up after so many steps in a row that came without one: of all points, and of a few. */
const STEPS_WITHOUT_POINT = 6000;
const STEPS_WITHOUT_FEW = 600;
const REPORT_EVERY_MS = 20_000;
/** How long processes may take for what takes them milliseconds on an idle machine. */
const PATIENCE_MS = 120_000;
/** Of a process that is to die after so many points. */
const COUNT_MAX = 40_000;

export async function torture(options: TortureOptions): Promise<TortureReport> {
  const run = new Torture(options);
  try {
    return await run.run();
  } finally {
    run.killAll();
  }
}

class Torture {
  readonly #options: TortureOptions;
  readonly #prng: Prng;
  readonly #folder: string = memoryFolder("torture");
  readonly #board: Board;
  readonly #gate: Gate;
  readonly #players = new Map<number, Player>();
  readonly #failures: Error[] = [];
  readonly #start: number = performance.now();
  #lastOwner = 0;
  #deaths = 0;
  #pointDeaths = 0;
  #kills = 0;
  #crashes = 0;
  #inChange = 0;
  #steps = 0;
  #audits = 0;
  #phase: "kills" | "points" | "crashes" = "kills";
  /** Whether another one takes the place of one that died. */
  #restarts = true;

  constructor(options: TortureOptions) {
    this.#options = options;
    this.#prng = new Prng(Math.imul(options.seed, 0x9e3779b1) ^ 0x2545f491);
    assert.ok(options.processes <= SLOTS);
    this.#board = new Board(this.#plan(0, 0, { by: "killed" }));
    this.#gate = new Gate(this.#board.group);
  }

  async run(): Promise<TortureReport> {
    const { kills, pointsEvery, crashes = 0 } = this.#options;
    const before = this.#open();
    const capacity = before.capacity();
    before.audit(0);
    if (kills > 0) {
      this.#beginAll();
      await this.#kill(kills, before);
    }
    if (pointsEvery > 0) await this.#dieAtPoints(before);
    before.close();
    for (; this.#crashes < crashes && !this.#isLate; this.#crashes++) await this.#crash();
    await this.#endAll();
    const after = this.#open();
    after.audit(this.#deaths);
    assert.equal(
      membersOf(this.#plan(0, NOBODY, { by: "killed" }).path),
      1,
      "a process that is gone has a place",
    );
    const left = after.capacity();
    for (const [i, count] of capacity.entries()) {
      assert.ok(left[i] >= count, `it held ${capacity} entries, and holds ${left}`);
    }
    after.close();
    return this.#report();
  }

  killAll(): void {
    this.#restarts = false;
    for (const { process } of this.#players.values()) process.kill("SIGKILL");
  }

  #open(): Opened {
    return this.#options.subject.open(this.#plan(0, NOBODY, { by: "killed" }), this.#board.truth);
  }

  #report(): TortureReport {
    const { program, pointsEvery, seed } = this.#options;
    const missed = program.points.flatMap(({ where }, point) => {
      const isWanted = pointsEvery !== 0 && point % pointsEvery === seed % pointsEvery;
      return isWanted && this.#board.deaths[point] === 0 ? [where] : [];
    });
    return {
      kills: this.#kills,
      pointDeaths: this.#pointDeaths,
      points: program.points.length,
      crashes: this.#crashes,
      inChange: this.#inChange,
      steps: this.#steps,
      audits: this.#audits,
      seconds: Math.round((performance.now() - this.#start) / 100) / 10,
      missed,
    };
  }

  #plan(slot: number, owner: number, end: End): Plan {
    const { keys, program, seed, options, isRoomy } = this.#options;
    return {
      path: join(this.#folder, "subject"),
      board: join(this.#folder, "board"),
      keys,
      points: program.points.length,
      slot,
      owner,
      seed,
      end,
      options,
      roomy: isRoomy,
    };
  }

  /** Half of those that are not to die at new points wait to be killed. */
  #endOf(slot: number): End {
    const { pointsEvery, seed } = this.#options;
    if (this.#phase === "points") {
      return { by: "new point", every: pointsEvery, remainder: seed % pointsEvery };
    }
    if (slot % 2 === 0 || this.#phase === "crashes") return { by: "killed" };
    return { by: "count", points: 1 + this.#prng.below(COUNT_MAX) };
  }

  #begin(slot: number): void {
    const end = this.#endOf(slot);
    const owner = ++this.#lastOwner;
    this.#gate.forget(slot);
    const args = ["--disable-warning=ExperimentalWarning", this.#options.program.file];
    const plan = JSON.stringify(this.#plan(slot, owner, end));
    const child = spawn(process.execPath, [...args, plan], { stdio: ["ignore", "ignore", "pipe"] });
    const player: Player = {
      process: child,
      slot,
      owner,
      end,
      stderr: "",
      isKilled: false,
      exit: new Promise((resolve) => child.once("close", () => resolve())),
    };
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      player.stderr += text;
    });
    this.#players.set(slot, player);
    child.once("close", (code, signal) => this.#ended(player, code, signal));
  }

  #ended(player: Player, code: number | null, signal: string | null): void {
    const { slot, owner, end, stderr, isKilled } = player;
    this.#players.delete(slot);
    this.#steps += Math.max(0, this.#gate.doneBy(slot) - 1);
    const isRight = signal === "SIGKILL" || (code === 0 && !this.#restarts);
    if (!isRight || stderr !== "") {
      const how = `a process (${JSON.stringify(end)}) ended with ${code ?? signal}:\n${stderr}`;
      this.#failures.push(new Error(how));
      return;
    }
    if (code === 0) return;
    this.#deaths++;
    if (isKilled) this.#kills++;
    else if (end.by === "new point") this.#pointDeaths++;
    this.#inChange += this.#board.truth.releaseAll(owner);
    if (this.#restarts) this.#begin(slot);
  }

  #check(): void {
    const { seed } = this.#options;
    if (this.#failures.length > 0)
      throw new Error(`seed ${seed}, after ${this.#deaths} deaths: ${this.#failures[0].message}`);
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    const check = (): boolean => {
      this.#check();
      return isSo();
    };
    await until(what, check, { patienceMs: PATIENCE_MS });
  }

  get #isLate(): boolean {
    return performance.now() - this.#start > 1000 * (this.#options.secondsMax ?? Number.POSITIVE_INFINITY);
  }

  #stepsNow(): number {
    let steps = this.#steps;
    for (const slot of this.#players.keys()) steps += Math.max(0, this.#gate.doneBy(slot) - 1);
    return steps;
  }

  /** Kills processes that are at work, or now and then one that is only just beginning. */
  async #kill(kills: number, opened: Opened): Promise<void> {
    let told = performance.now();
    let audited = this.#deaths;
    while (this.#kills < kills && !this.#isLate) {
      const isAnyone = this.#prng.chance(0.1);
      const candidates = (): Player[] =>
        [...this.#players.values()].filter(
          ({ slot, end, isKilled }) =>
            end.by === "killed" && !isKilled && (isAnyone || this.#gate.doneBy(slot) > 0),
        );
      await this.#until("a process at work", () => candidates().length > 0);
      await new Promise((resolve) => setTimeout(resolve, this.#prng.below(LIFE_MS_MAX)));
      const those = candidates();
      if (those.length === 0) continue;
      const victim = those[this.#prng.below(those.length)];
      victim.isKilled = true;
      victim.process.kill("SIGKILL");
      await victim.exit;
      if (this.#deaths - audited >= DEATHS_AN_AUDIT) {
        await this.#quietly(opened);
        audited = this.#deaths;
      }
      if (performance.now() - told > REPORT_EVERY_MS) {
        told = performance.now();
        this.#options.log?.(`  ${this.#kills} killed, ${this.#deaths} deaths, ${this.#stepsNow()} steps`);
      }
    }
  }

  /** Lets everybody die at the first point that nobody died at, until no new ones come. */
  async #dieAtPoints(opened: Opened): Promise<void> {
    await this.#endAll();
    this.#phase = "points";
    this.#beginAll();
    const patience = this.#options.pointsEvery === 1 ? STEPS_WITHOUT_POINT : STEPS_WITHOUT_FEW;
    let seen = -1;
    let since = 0;
    let audited = this.#pointDeaths;
    let told = performance.now();
    while (!this.#isLate) {
      await this.#until("a death, or steps without", () => {
        return this.#pointDeaths !== seen || this.#stepsNow() - since > patience;
      });
      if (this.#pointDeaths === seen) break;
      seen = this.#pointDeaths;
      since = this.#stepsNow();
      if (seen - audited >= 5 * DEATHS_AN_AUDIT) {
        audited = seen;
        await this.#quietly(opened);
      }
      if (performance.now() - told > REPORT_EVERY_MS) {
        told = performance.now();
        this.#options.log?.(`  ${seen} died at points, ${since} steps`);
      }
    }
  }

  /** Stops everybody between two steps, and looks at all there is. */
  async #quietly(opened: Opened): Promise<void> {
    const gate = this.#gate.close();
    await this.#until("processes rest", () => {
      return [...this.#players.values()].every(({ slot }) => this.#gate.rests(slot, gate));
    });
    opened.audit(this.#deaths);
    this.#audits++;
    this.#gate.open();
    const before = this.#stepsNow();
    await this.#until("they go on", () => this.#stepsNow() > before);
  }

  /** All at once, under load; whoever comes next finds everything. */
  async #crash(): Promise<void> {
    await this.#endAll();
    this.#phase = "crashes";
    this.#beginAll();
    const isAtWork = ({ slot }: Player): boolean => this.#gate.doneBy(slot) > 1;
    await this.#until("all are at work", () => [...this.#players.values()].every(isAtWork));
    await new Promise((resolve) => setTimeout(resolve, this.#prng.below(LIFE_MS_MAX)));
    this.#restarts = false;
    for (const { process } of this.#players.values()) process.kill("SIGKILL");
    await this.#until("they are gone", () => this.#players.size === 0);
    const next = this.#open();
    next.audit(this.#deaths);
    next.close();
  }

  #beginAll(): void {
    this.#restarts = true;
    for (let slot = 0; slot < this.#options.processes; slot++) this.#begin(slot);
  }

  /** Tells everybody to end, and waits. */
  async #endAll(): Promise<void> {
    this.#restarts = false;
    this.#gate.stop();
    await this.#until("they end", () => this.#players.size === 0);
    this.#gate.resume();
  }
}

/** How many threads have a place in the table of a file. */
export function membersOf(path: string): number {
  const segment = Segment.map(path, Segment.look(path) as SegmentHeader);
  const members = new ThreadRegistry(...segment.threads()).taken().length;
  segment.close();
  return members;
}
