/**
 * Awaits everything, each alone and overlapping with each other, as the last thing that the process does.
 *
 * Node emits `beforeExit` when nothing is left that keeps the process alive, and ends it unless a listener makes new
 * work. So one process can show it for all: whatever is awaited and has not come to its end at that moment never
 * would; then the next case begins, with nothing left of those before it.
 */

import { SUBJECTS, type Subject } from "./subjects.ts";

interface Case {
  name: string;
  subject: Subject;
  methods: readonly string[];
  /** Turns of the event loop between the two calls. */
  turns: number;
}

const CLOSERS = ["close", "asyncDispose"];
/** What a close came after, and may be told of it, as it had no end yet. So may whatever is called after a close. */
const LOADS = ["loadAsync", "getAsync", "getOrSet", "setStream", "load", "save"];

/** What has something under way between two turns, so that it matters when the second call comes. */
const BUSY = ["PageStore", "FileBacking", "viewer()"];

const cases: Case[] = [];
const [, , only = ""] = process.argv;
for (const [of, subjects] of Object.entries(SUBJECTS)) {
  for (const subject of subjects) {
    const add = (methods: readonly string[], turns: number): void => {
      const name = [`${of} ${subject.state}`, methods.join(` and ${turns} turns later `)].join(": ");
      if (name.includes(only)) cases.push({ name, subject, methods, turns });
    };
    if (subject.methods.length === 0) add([], 0);
    for (const first of subject.methods) {
      add([first], 0);
      for (const second of subject.methods)
        for (const turns of BUSY.includes(of) ? [0, 2] : [0]) add([first, second], turns);
    }
  }
}

const failures: string[] = [];
let at = -1;
let isOver = true;

process.on("beforeExit", () => {
  if (!isOver) failures.push(`${cases[at].name}: the process ends before what is awaited does`);
  if (++at === cases.length) console.log(JSON.stringify({ cases: cases.length, failures }));
  if (at >= cases.length) return;
  isOver = false;
  // So that there is something to be done: promises alone do not count.
  setImmediate(() => {
    const running = cases[at];
    run(running).then(
      () => {
        isOver = true;
      },
      (error: unknown) => {
        isOver = true;
        failures.push(`${running.name}: ${error instanceof Error ? error.message : String(error)}`);
      },
    );
  });
});

async function run({ subject, methods, turns }: Case): Promise<void> {
  const target = await subject.make();
  const calls: Promise<unknown>[] = [];
  for (const method of methods) {
    const pause = calls.length === 0 ? 0 : turns;
    for (let turn = 0; turn < pause; turn++) await new Promise((resolve) => setImmediate(resolve));
    // What throws at once rejects, too.
    const call = (async () => await target.call(method))();
    call.catch(() => undefined);
    calls.push(call);
  }
  const results = await Promise.allSettled(calls);
  for (const [i, result] of results.entries()) {
    if (result.status === "rejected" && !mayReject(subject, methods, i, result.reason as Error)) {
      throw new Error(`${methods[i]} rejects: ${String(result.reason)}`);
    }
  }
  await target.end(
    methods,
    methods.some((method) => CLOSERS.includes(method)),
  );
}

function mayReject(subject: Subject, methods: readonly string[], i: number, reason: Error): boolean {
  const { code } = reason as { code?: unknown };
  const other = methods[1 - i] ?? "";
  if (code === "ECLOSED") return CLOSERS.includes(other) && (i === 1 || LOADS.includes(methods[i]));
  if (code === "EBUSY") return methods[i] === "listen";
  // Two that save to one path.
  if (methods[i] === "save" || methods[i] === "load") return true;
  return subject.state.startsWith("of a server that");
}
