/**
 * `node shared-churn-child.ts PLAN`: writes, deletes and reads in a file that processes share, until it is killed. Each
 * process has keys of its own, which it alone changes, and reads all.
 */

import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { FileBacking, verifyFileIndex } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { KeyBoard, whyWrong } from "./key-board.ts";
import { checkRecordOf, keyOf, recordOf, someLength } from "./records.ts";
import { type ChurnPlan, KEYS_EACH } from "./shared-churn.ts";

const plan = JSON.parse(process.argv[2]) as ChurnPlan;
const { path, options, board: boardPath, number: me, processes, seed } = plan;
const mayLose = options.whenFull === "drop";
const prng = new Prng(seed);
const board = new KeyBoard(boardPath);
const first = me * KEYS_EACH;
let backing = await FileBacking.open(path, options);

async function read(key: number): Promise<void> {
  const before = board.stateOf(key);
  const record = prng.chance(0.3) ? backing.readSync(keyOf(key)) : await backing.read(keyOf(key));
  const found = record === null ? null : checkRecordOf(key, record);
  const wrong = whyWrong(before, found, board.stateOf(key), mayLose);
  assert.equal(wrong, null, `process ${me} reads key ${key}`);
}

async function change(key: number): Promise<void> {
  const version = board.stateOf(key).top + 1;
  const writes = prng.chance(0.75);
  board.begin(key, { version, writes });
  let isThere = false;
  if (writes) {
    const record = recordOf(key, version, someLength(prng, 12_000));
    const outcome = prng.chance(0.3) ? backing.writeSync(record) : (await backing.write([record]))[0];
    assert.ok(typeof outcome === "string", String(outcome));
    isThere = outcome === "ok";
  } else backing.delete(keyOf(key));
  board.end(key, { version, writes: isThere });
}

/** What this process was doing when it was killed is done by one that follows it. */
async function goOn(key: number): Promise<void> {
  const { begun, ended } = board.stateOf(key);
  await read(key);
  if (begun.version === ended.version) return;
  backing.delete(keyOf(key));
  board.end(key, { version: begun.version, writes: false });
}

for (let key = first; key < first + KEYS_EACH; key++) await goOn(key);
writeSync(1, "ready\n");
for (;;) {
  const calls: Promise<void>[] = [];
  const busy = new Set<number>();
  for (let count = prng.between(1, 12); count > 0; count--) {
    const own = first + prng.below(KEYS_EACH);
    if (prng.chance(0.4) && !busy.has(own)) {
      busy.add(own);
      calls.push(change(own));
    } else calls.push(read(prng.below(processes * KEYS_EACH)));
  }
  await Promise.all(calls);
  writeSync(1, `${calls.length}\n`);
  if (prng.chance(0.05)) await backing.flush();
  if (prng.chance(0.02)) backing.inside().look(verifyFileIndex);
  if (prng.chance(0.02)) {
    await backing.close();
    backing = await FileBacking.open(path, options);
  }
}
