import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Two checks at a time; each needs up to 380 MB. */
const CONCURRENCY = 2;
const STATE_MB_MAX = 900;
const STEPS_MAX = 20_000;
/** Some 9 s at most on an idle machine. */
const CHECK_MS_MAX = 240_000;

const MODELS = ["lock", "reclaim", "places", "load"] as const;
type Model = (typeof MODELS)[number];

/** What spin explores: the macros of a model. See the models for what they mean. */
const SLEEPING: string[] = [];
const DYING = ["DEATHS=1", "TIMEOUTS", "ROUNDS=1"];
const TWO_DYING = ["DEATHS=2", "TIMEOUTS", "ROUNDS=1"];
const REPLACED = [...DYING, "NEWCOMER"];
const ENDING = [...DYING, "LIVENESS"];
const FREEING = ["OPERATIONS=3"];
const FREEING_DYING = ["DEATHS=1"];
const FOLLOWED = ["DEATHS=1", "NEWCOMER", "OPERATIONS=1"];
const FREEING_TWO_DYING = ["DEATHS=2", "OPERATIONS=1"];
const VISITING_DYING = ["VISITS=1", "DEATHS=1", "NEWCOMERS"];
const VISITING_TWO_DYING = ["VISITS=1", "DEATHS=2", "BUSY"];
const OF_TWO = ["THREADS=2"];
const OVERTAKEN = [...OF_TWO, "OVERTAKING"];
const FAILING = [...OVERTAKEN, "FAILING", "CHANGES=2"];
const CHANGED_DYING = [...OVERTAKEN, "DEATHS=1", "CHANGER_DIES"];
const CROWDED_DYING = [...OF_TWO, "WAYS=1", "DEATHS=1", "FAILING"];
const REUSED = ["WAYS=1", "CHANGES=0", "DEATHS=1", "FAILING"];
const RENEWED = [...OF_TWO, "TIER", "WRONGLY_GONE"];
const WRONGLY_GONE = [...OVERTAKEN, "WRONGLY_GONE", "FAILING"];

const HOLDS: [string, Model, string[]][] = [
  ["every waiting thread is woken", "lock", SLEEPING],
  ["a repair whose thread dies is done again", "lock", TWO_DYING],
  ["a new thread on a dead one's member is not taken for it", "lock", REPLACED],
  ["everybody alive gets the lock in the end", "lock", ENDING],
  ["free, alloc and reclaim during a reclaim", "reclaim", FREEING],
  ["a thread that dies at any store", "reclaim", FREEING_DYING],
  ["a thread that dies, and one that follows on its member", "reclaim", FOLLOWED],
  ["a thread that dies, and who recovers for it", "reclaim", FREEING_TWO_DYING],
  ["three processes join and leave two places, twice", "places", []],
  ["a process that dies at any step, and one that comes for it", "places", VISITING_DYING],
  ["two processes that die, one of them at the repair for the other", "places", VISITING_TWO_DYING],
  ["three threads ask for a key that is deleted", "load", ["DELETING"]],
  ["three threads ask for a key, and one dies", "load", ["CHANGES=0", "DEATHS=1"]],
  ["loads that are too slow, come to nothing, or are revoked", "load", FAILING],
  ["who loads dies, or who changes the key", "load", CHANGED_DYING],
  ["a lease that is renewed", "load", [...CHANGED_DYING, "TIER"]],
  ["a lease that is renewed by who is said to be gone", "load", RENEWED],
  ["a dead thread's slot is the only one", "load", CROWDED_DYING],
  ["a thread that lives is said to be gone", "load", WRONGLY_GONE],
];

/** Mistakes, each with what spin says when it has found them. */
const END = "invalid end state";
const ASSERTION = "assertion violated";
const CYCLE = "acceptance cycle";
const PLANTED: [string, Model, string[], string][] = [
  ["release does not look whether somebody sleeps", "lock", ["PLANT_RELEASE_UNSEEN"], END],
  ["who was woken takes the lock without SLEEPER", "lock", ["PLANT_NO_SLEEPER_AFTER_WAKE"], END],
  ["who goes to sleep does not set SLEEPER", "lock", ["PLANT_NO_SLEEPER_MARKED"], END],
  ["who goes to sleep does not compare the word", "lock", ["PLANT_SLEEP_UNSEEN"], END],
  ["sleeps without a bound, where threads die", "lock", ["DEATHS=1", "ROUNDS=1"], END],
  ["a dead thread keeps the lock", "lock", [...ENDING, "PLANT_NEVER_TAKEN"], CYCLE],
  ["the lock is taken from a dead thread without repair", "lock", [...DYING, "PLANT_NO_REPAIR"], ASSERTION],
  ["the lock is freed before the repair", "lock", [...DYING, "PLANT_FREED_BEFORE_REPAIR"], ASSERTION],
  ["the lock is taken from a living thread", "lock", [...DYING, "PLANT_TAKE_FROM_LIVING"], ASSERTION],
  ["two take the lock from one dead thread", "lock", [...DYING, "PLANT_TAKE_UNSEEN"], ASSERTION],
  ["the word names a member, whoever sits there", "lock", [...REPLACED, "PLANT_SEAT_REUSED"], ASSERTION],
  ["a member is given back for whoever sits there", "lock", [...REPLACED, "PLANT_LEAVE_UNSEEN"], ASSERTION],
  ["the mark is removed before the handler runs", "reclaim", ["PLANT_MARK_REMOVED_EARLY"], ASSERTION],
  ["a handle has no generation: freed twice", "reclaim", ["PLANT_NO_GENERATION"], ASSERTION],
  ["free settles a page under reclaim", "reclaim", ["PLANT_FREE_SETTLES"], ASSERTION],
  ["a page under reclaim stays on its list", "reclaim", ["PLANT_PAGE_STAYS_LISTED"], ASSERTION],
  ["a page is released although an object stayed", "reclaim", ["PLANT_RELEASED_UNSEEN"], ASSERTION],
  ["no note of the place that changes", "reclaim", ["DEATHS=1", "PLANT_NO_INTENT"], ASSERTION],
  ["the note is cleared before the repair", "reclaim", ["DEATHS=2", "PLANT_INTENT_CLEARED_EARLY"], ASSERTION],
  ["pages of a dead thread stay under reclaim", "reclaim", ["DEATHS=1", "PLANT_MARKS_KEPT"], ASSERTION],
  ["a repair settles what the living reclaim", "reclaim", ["DEATHS=1", "PLANT_MARKS_OF_LIVING"], ASSERTION],
  ["a member is given back before its pages", "reclaim", ["DEATHS=2", "PLANT_SEATS_FIRST"], ASSERTION],
  [
    "the turn stays when a dead one's place is taken",
    "places",
    [...VISITING_DYING, "PLANT_TURN_STAYS"],
    ASSERTION,
  ],
  ["who leaves does not raise the turn", "places", [...VISITING_DYING, "PLANT_LEFT_TURN_STAYS"], ASSERTION],
  [
    "words are written before the place is locked",
    "places",
    [...VISITING_DYING, "PLANT_WORDS_BEFORE_LOCK"],
    ASSERTION,
  ],
  [
    "a place is seen to be free, and then locked",
    "places",
    [...VISITING_DYING, "PLANT_LOOKED_AT"],
    ASSERTION,
  ],
  ["isGone looks at the place alone", "places", [...VISITING_DYING, "PLANT_TURN_UNSEEN"], END],
  ["isGone does not ask the system", "places", [...VISITING_DYING, "PLANT_PLACE_UNSEEN"], END],
  ["a place is given back before it is vacant", "places", [...VISITING_DYING, "PLANT_GIVE_FIRST"], ASSERTION],
  [
    "a dead one's place is vacated whoever has it",
    "places",
    [...VISITING_DYING, "PLANT_LEAVE_UNSEEN"],
    ASSERTION,
  ],
  ["no repair after a takeover", "places", [...VISITING_DYING, "PLANT_NO_REPAIR"], ASSERTION],
  ["two take the lock over", "places", [...VISITING_DYING, "PLANT_TAKE_UNSEEN"], ASSERTION],
  ["leases are told after the change", "load", [...CHANGED_DYING, "PLANT_TOLD_AFTER"], ASSERTION],
  ["leases are told without the lock", "load", [...OF_TWO, "PLANT_TOLD_UNLOCKED"], ASSERTION],
  [
    "whether a lease holds is asked before the lock is taken",
    "load",
    [...OF_TWO, "PLANT_HOLDS_UNLOCKED"],
    ASSERTION,
  ],
  ["an overtaken load is not revoked", "load", [...OVERTAKEN, "PLANT_HELD_NOT_REVOKED"], ASSERTION],
  ["who overtakes does not compare the word", "load", [...OVERTAKEN, "PLANT_OVERTAKE_UNSEEN"], ASSERTION],
  [
    "a load of others is looked for in a step of its own",
    "load",
    [...OF_TWO, "PLANT_LOOKED_BEFORE"],
    ASSERTION,
  ],
  [
    "who waits does not look whether who loads lives",
    "load",
    [...OF_TWO, "DEATHS=1", "PLANT_DEAD_NOT_SEEN"],
    END,
  ],
  ["the turn stays when a slot is taken anew", "load", [...REUSED, "PLANT_TURN_STAYS"], END],
  ["who waits does not compare the turn", "load", [...REUSED, "PLANT_TURN_UNSEEN"], END],
  ["slots of who is gone go on loading", "load", [...WRONGLY_GONE, "PLANT_STAYS_LOADING"], ASSERTION],
  [
    "a slot is given back whoever has it",
    "load",
    ["WAYS=1", "CHANGES=0", "WRONGLY_GONE", "PLANT_OWN_UNSEEN"],
    ASSERTION,
  ],
  ["a lease is renewed without the lock", "load", [...RENEWED, "PLANT_UNLOCKED_RENEW"], ASSERTION],
  ["a slot is given back without the lock", "load", [...FAILING, "PLANT_END_UNLOCKED"], ASSERTION],
  ["a group is said to be empty that is not", "load", [...FAILING, "PLANT_GROUP_UNSEEN"], ASSERTION],
];

const missing = await spinMissing();

describe("models, checked by spin", { concurrency: CONCURRENCY, timeout: CHECK_MS_MAX }, () => {
  for (const [name, model, macros] of HOLDS) {
    it(`${model}: ${name}`, async (t) => {
      if (!present(t)) return;
      const report = await check(model, macros, "-O1");
      assert.match(report, /errors: 0\b/, report);
      assert.doesNotMatch(report, /search not completed|max search depth too small|out of memory/i, report);
      t.diagnostic(`${/(\d+) states, stored/.exec(report)?.[1]} states`);
    });
  }

  for (const [name, model, macros, found] of PLANTED) {
    it(`${model}, planted: ${name}`, async (t) => {
      if (!present(t)) return;
      const report = await check(model, macros, "-O0");
      assert.match(report, new RegExp(`^pan:1: ${found}`, "m"), report);
      assert.match(report, /errors: 1\b/, report);
      t.diagnostic(`found after ${/(\d+) states, stored/.exec(report)?.[1]} states`);
    });
  }

  it("every mistake that the models can have is planted here", async () => {
    const known = PLANTED.flatMap(([, model, macros]) => macros.map((macro) => `${model} ${macro}`));
    for (const model of MODELS) {
      const text = await readFile(join(import.meta.dirname, `${model}.pml`), "utf8");
      for (const [macro] of text.matchAll(/\bPLANT_[A-Z_]*[A-Z]\b/g)) {
        assert.ok(known.includes(`${model} ${macro}`), `${model}.pml: nothing plants ${macro}`);
      }
    }
  });
});

/** Whether spin can run. Without it the test fails in continuous integration, and else says how to get it. */
function present(t: TestContext): boolean {
  if (missing === null) return true;
  if (process.env.CI) assert.fail(missing);
  t.skip(missing);
  return false;
}

async function spinMissing(): Promise<string | null> {
  try {
    await run("spin", ["-V"]);
    await run("cc", ["--version"]);
    return null;
  } catch {
    return "spin, or a C compiler for what it makes, is not installed: apt-get install spin gcc libc6-dev";
  }
}

/** Makes the checker of a model, runs it until it is through or at the first mistake, and gives its report. */
async function check(model: Model, macros: readonly string[], optimisation: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "zbud-model-"));
  try {
    const options = { cwd: folder, maxBuffer: 2 ** 24 };
    const source = join(import.meta.dirname, `${model}.pml`);
    await run("spin", [...macros.map((macro) => `-D${macro}`), "-a", source], options);
    // Without a property in time, SAFETY saves the search for cycles; with one, fairness is asked for (-f).
    const isLiveness = macros.includes("LIVENESS");
    const limits = ["-DCOLLAPSE", `-DMEMLIM=${STATE_MB_MAX}`];
    const search = isLiveness ? "-DNFAIR=3" : "-DSAFETY";
    await run("cc", [optimisation, "-w", ...limits, search, "-o", "pan", "pan.c"], options);
    const { stdout } = await run(
      join(folder, "pan"),
      [`-m${STEPS_MAX}`, ...(isLiveness ? ["-a", "-f"] : [])],
      options,
    );
    return stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
