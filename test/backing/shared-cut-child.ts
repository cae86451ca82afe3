/**
 * `node shared-cut-child.ts PATH MEMORY CUT`: works with a shared file, tells what it does, and kills itself at the
 * CUT-th call that it makes of the file, before or after that call is done.
 */

import { writeSync } from "node:fs";
import { systemIo } from "../../src/backing/file/io.ts";
import { FileBacking, type FileIo } from "../../src/backing/index.ts";
import { checkRecordOf, keyOf, recordOf } from "./records.ts";
import { CUT_OPTIONS, type Told } from "./shared-cuts.ts";

const [path, shared, cut] = process.argv.slice(2);
let left = Number(cut);

async function counted<T>(call: () => Promise<T>): Promise<T> {
  if (--left === 0) process.kill(process.pid, "SIGKILL");
  const result = await call();
  if (--left === 0) process.kill(process.pid, "SIGKILL");
  return result;
}

function tell(told: Told): void {
  writeSync(1, `${JSON.stringify(told)}\n`);
}

const system = systemIo();
const io: FileIo = {
  ...system,
  open: (...call) => counted(() => system.open(...call)),
  truncate: (...call) => counted(() => system.truncate(...call)),
  read: (...call) => counted(() => system.read(...call)),
  write: (...call) => counted(() => system.write(...call)),
  sync: (...call) => counted(() => system.sync(...call)),
};

async function change(number: number, version: number): Promise<void> {
  tell({ begun: true, number, version });
  if (version === 0) backing.delete(keyOf(number));
  else await backing.write([recordOf(number, version, 300 * (number + 1))]);
  tell({ begun: false, number, version });
}

const backing = await FileBacking.open(path, { ...CUT_OPTIONS, shared }, { io });
const found: number[] = [];
for (let number = 0; number < 4; number++) {
  const record = await backing.read(keyOf(number));
  found.push(record === null ? 0 : checkRecordOf(number, record));
}
writeSync(1, `${JSON.stringify({ found })}\n`);
const first = 1 + Math.max(...found);

for (let number = 0; number < 4; number++) await change(number, first + number);
await backing.flush();
await change(0, first + 4);
await change(1, 0);
await backing.flush();
await change(2, first + 5);
await change(3, 0);
await backing.close();
