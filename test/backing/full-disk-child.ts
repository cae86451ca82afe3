/** A store of 4 MiB where there is room for 1 MiB: STORE is its path; GROW, the file system that can be made larger. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { systemIo } from "../../src/backing/file/io.ts";
import { FileBacking, type FileIo } from "../../src/backing/index.ts";
import { ZbudError } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { BackingModel } from "./backing-model.ts";
import { checkRecordOf, keyOf, recordOf } from "./records.ts";

const { STORE = "", GROW = "" } = process.env;
// A limit on the length of files does not let a file get its full length at once; the writes are what is tested.
const io: FileIo = GROW === "" ? { ...systemIo(), truncate: () => Promise.resolve() } : systemIo();
const backing = await FileBacking.open(STORE, { maxBytes: 4 * 2 ** 20, averageBytes: 1024 }, { io });

const seen: Record<string, number> = {};
for (let number = 0; number < 300; number++) {
  const record = recordOf(number, 1, 8000);
  const outcome = number % 3 === 0 ? backing.writeSync(record) : (await backing.write([record]))[0];
  const name = typeof outcome === "string" ? outcome : outcome.code;
  seen[name] = (seen[name] ?? 0) + 1;
  const read = await backing.read(keyOf(number));
  if (outcome === "ok") checkRecordOf(number, read ?? assert.fail(`key ${number}`));
  else {
    assert.ok(outcome instanceof ZbudError && outcome.code === "ENOSPC", String(outcome));
    assert.equal(read, null);
  }
}
assert.ok((seen.ok ?? 0) > 50 && (seen.ENOSPC ?? 0) > 50, JSON.stringify(seen));
verify(backing);

const model = new BackingModel(backing, {
  seed: 1,
  keys: 100,
  maxLength: 9000,
  mayLose: true,
  faults: ["ENOSPC", "EIO"],
});
await model.clear();
for (let step = 0; step < 1500; step++) {
  model.step();
  if (step % 20 === 0) await model.settle();
}
await model.checkAll();
verify(backing);
assert.ok(model.counts.hits > 100 && (model.counts.outcomes.ok ?? 0) > 100, JSON.stringify(model.counts));
await backing
  .flush()
  .catch((error: unknown) => assert.ok(error instanceof ZbudError && error.code === "ENOSPC"));

if (GROW !== "") {
  const { status } = spawnSync("mount", ["-o", "remount,size=16m", GROW]);
  assert.equal(status, 0, "the file system is made larger");
  await model.clear();
  for (let number = 0; number < 200; number++) {
    assert.deepEqual(await backing.write([recordOf(number, 2, 8000)]), ["ok"]);
  }
  await backing.flush();
}
await backing.close().catch((error: unknown) => assert.ok(GROW === "" && error instanceof ZbudError));
console.log("all is well", JSON.stringify(seen), JSON.stringify(model.counts));
