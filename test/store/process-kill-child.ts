/** `node process-kill-child.ts PATH SEED`: works with a store over a file until it is killed, and reports its flushes. */

import { writeSync } from "node:fs";
import { FileBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { makePage } from "./pages.ts";
import { FILE_OPTIONS, type FlushReport, PAGES, STORE_OPTIONS } from "./process-kills.ts";

const [path, seed] = process.argv.slice(2);
const prng = new Prng(Number(seed));
const backing = await FileBacking.open(path, FILE_OPTIONS);
const store = new PageStore({ ...STORE_OPTIONS, backing });
const into = new Uint8Array(store.pageSize);

const versions: number[] = [];
for (let index = 0; index < PAGES; index++) {
  const result = await store.loadAsync(index, into);
  versions.push(result === "loaded" ? new DataView(into.buffer).getUint32(4) : 0);
}
let version = Math.max(...versions);

function report(flush: FlushReport): void {
  // One write, and not through a stream: what was reported must be out before the process is killed.
  writeSync(1, `${JSON.stringify(flush)}\n`);
}

writeSync(1, "ready\n");
for (;;) {
  for (let count = prng.between(1, 150); count > 0; count--) {
    const index = prng.below(PAGES);
    if (prng.chance(0.85)) {
      const isStored = store.store(index, makePage(index, ++version, store.pageSize)) === "stored";
      versions[index] = isStored ? version : 0;
    } else {
      store.invalidate(index);
      versions[index] = 0;
    }
    if (prng.chance(0.1)) await store.loadAsync(prng.below(PAGES), into);
  }
  report({ flush: "begun", versions });
  await store.flush();
  report({ flush: "ended", versions });
}
