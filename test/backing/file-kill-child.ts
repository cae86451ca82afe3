/** `node file-kill-child.ts PATH SEED`: works with a file store until it is killed, and tells of its flushes. */

import { writeSync } from "node:fs";
import { FileBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { KILL_KEYS, KILL_OPTIONS, type Told } from "./file-kills.ts";
import { keyOf, recordOf, someLength } from "./records.ts";

const [path, seed] = process.argv.slice(2);
const prng = new Prng(Number(seed));
const backing = await FileBacking.open(path, KILL_OPTIONS);

const versions: number[] = [];
for (let number = 0; number < KILL_KEYS; number++) {
  versions.push((await backing.read(keyOf(number)))?.stamp ?? 0);
}
let version = Math.max(...versions);

function tell(told: Told): void {
  // One write, and not through a stream: what was told must be out before the process is killed.
  writeSync(1, `${JSON.stringify(told)}\n`);
}

async function write(): Promise<void> {
  const number = prng.below(KILL_KEYS);
  const record = recordOf(number, ++version, someLength(prng, 12_000));
  versions[number] = 0;
  const outcome = prng.chance(0.3) ? backing.writeSync(record) : (await backing.write([record]))[0];
  if (outcome === "ok") versions[number] = record.stamp;
}

writeSync(1, "ready\n");
for (;;) {
  const batch: Promise<void>[] = [];
  for (let count = prng.between(1, 40); count > 0; count--) {
    if (prng.chance(0.75)) batch.push(write());
    else {
      const number = prng.below(KILL_KEYS);
      backing.delete(keyOf(number));
      versions[number] = 0;
    }
  }
  await Promise.all(batch);
  tell({ flush: "begun", versions });
  await backing.flush();
  tell({ flush: "ended", versions });
}
