/** What a process of these tests is told, and how it comes to its end. */

import { GROUP_WORDS, Member, openBoard, SLOTS } from "./board.ts";
import { Truth } from "./truth.ts";

/** How a process ends: killed from outside, by itself at a numbered point, or when it is told to. */
export type End =
  | { by: "killed" }
  /** At the first point that nobody died at before, of those whose number leaves this remainder. */
  | { by: "new point"; every: number; remainder: number }
  /** At the so many-th point that it meets. */
  | { by: "count"; points: number };

/** What a process is given, as JSON. */
export interface Plan {
  /** The file with what is tested, and the one that the test has for itself. */
  path: string;
  board: string;
  keys: number;
  /** How many points there are. */
  points: number;
  slot: number;
  /** Of this process alone, from 1 on. */
  owner: number;
  seed: number;
  end: End;
  options: Record<string, unknown>;
  /** Whether there is room for all values, so that none may be missing. */
  roomy: boolean;
}

const POINTS_AT: number = 4 * (GROUP_WORDS + SLOTS);

/** The parts of the memory that a test has for itself. */
export class Board {
  readonly group: Int32Array;
  /** For each point: who died there, or 0. */
  readonly deaths: Int32Array;
  readonly truth: Truth;

  constructor({ board, keys, points }: Pick<Plan, "board" | "keys" | "points">) {
    const truthAt = POINTS_AT + 8 * Math.ceil(points / 2 + 1);
    const buffer = openBoard(board, truthAt + Truth.bytesOf(keys));
    this.group = new Int32Array(buffer, 0, GROUP_WORDS);
    this.deaths = new Int32Array(buffer, POINTS_AT, points + 1);
    this.truth = new Truth(buffer, truthAt, keys);
  }
}

type Hooked = { zbudPoint?: (point: number) => void };

/** Sets what a point calls. */
export function setHook(hook: (point: number) => void): void {
  (globalThis as Hooked).zbudPoint = hook;
}

/** Ends this process at once, as a kill from outside does. */
export function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("a process that was killed goes on");
}

/** Lets this process die where its plan says. */
export function arm({ end, owner }: Plan, { deaths }: Board): void {
  if (end.by === "count") {
    let left = end.points;
    setHook(() => {
      if (--left === 0) die();
    });
  }
  if (end.by !== "new point") return;
  const { every, remainder } = end;
  setHook((point) => {
    if (point % every !== remainder || deaths[point] !== 0) return;
    if (Atomics.compareExchange(deaths, point, 0, owner) === 0) die();
  });
}

/** The plan of this process. */
export function readPlan(): Plan {
  return JSON.parse(process.argv[2]) as Plan;
}

export function memberOf({ slot }: Plan, { group }: Board): Member {
  return new Member(group, slot);
}
