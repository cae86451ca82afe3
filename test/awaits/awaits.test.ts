/** Whatever a user awaits comes to its end, though nothing else keeps the process alive. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import * as bentocache from "../../src/adapters/bentocache.ts";
import * as keyv from "../../src/adapters/keyv.ts";
import * as undici from "../../src/adapters/undici.ts";
import * as backing from "../../src/backing/index.ts";
import * as cache from "../../src/cache/index.ts";
import * as root from "../../src/entry/index.ts";
import * as store from "../../src/store/index.ts";
import * as viewer from "../../src/viewer/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { SUBJECTS } from "./subjects.ts";

const run = promisify(execFile);
const QUIET = "--disable-warning=ExperimentalWarning";

/** What layers give each other, and no entry gives a user. */
const INNER = ["CoherentTier", "QueuedBacking"];

describe("the last thing that a process does", () => {
  it("everything that can be awaited, alone and overlapping with each other", async () => {
    const child = join(import.meta.dirname, "child.ts");
    const { stdout } = await run(process.execPath, [QUIET, child], { maxBuffer: 2 ** 24 });
    const { cases, failures } = JSON.parse(stdout) as { cases: number; failures: string[] };
    assert.deepEqual(failures, []);
    assert.ok(cases > 900, `${cases} cases`);
  });

  it("a program that flushes a store and closes it at once", async () => {
    const module = (name: string): string => new URL(`../../src/${name}/index.ts`, import.meta.url).href;
    for (const overlapping of [
      "store.flush(), store.close()",
      "store.flush(), store.flush()",
      "store.close(), store.close()",
    ]) {
      const program = `
        import { FileBacking } from ${JSON.stringify(module("backing"))};
        import { PageStore } from ${JSON.stringify(module("store"))};
        const path = ${JSON.stringify(freshPath())};
        const backing = await FileBacking.open(path, { maxBytes: 2 ** 22 });
        const store = new PageStore({ maxBytes: "1MiB", codec: "none", backing });
        for (let i = 0; i < 200; i++) store.store(i, crypto.getRandomValues(new Uint8Array(4096)));
        await Promise.all([${overlapping}]);
        await store.close();
        await backing.close();
        const again = await FileBacking.open(path, { maxBytes: 2 ** 22 });
        console.log(JSON.stringify(again.opened));
        await again.close();`;
      const { stdout } = await run(process.execPath, [QUIET, "--input-type=module", "-e", program]);
      assert.deepEqual(JSON.parse(stdout || "null"), { found: "clean", records: 200 }, overlapping);
    }
  });

  it("no class has an async method that is not among them", () => {
    const classes = Object.values({
      ...root,
      ...backing,
      ...cache,
      ...store,
      ...viewer,
      ...keyv,
      ...undici,
      ...bentocache,
    });
    const listed = SUBJECTS as Record<string, (typeof SUBJECTS)["estimate"]>;
    const missing: string[] = [];
    for (const each of classes) {
      if (typeof each !== "function" || each.prototype === undefined || INNER.includes(each.name)) continue;
      const methods = listed[each.name]?.flatMap((subject) => subject.methods) ?? [];
      for (let part = each.prototype; part !== Object.prototype; part = Object.getPrototypeOf(part)) {
        for (const name of Reflect.ownKeys(part)) {
          const value: unknown = Object.getOwnPropertyDescriptor(part, name)?.value;
          const isAsync = /^Async(Generator)?Function$/.test(value?.constructor.name ?? "");
          const label = name === Symbol.asyncDispose ? "asyncDispose" : String(name);
          if (isAsync && !methods.includes(label)) missing.push(`${each.name}#${label}`);
        }
      }
    }
    assert.deepEqual(missing, []);
  });
});
