/** Places of threads that ended without a word are given to others, by whoever finds no other place. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { FileBacking } from "../../src/backing/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { attachPool, createPool, ZbudPool, zbudDriver } from "../../src/entry/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import type { Registered } from "./thread-registry-worker.ts";

/** Threads at one buffer at a time. */
const REGISTRY = 127;

type Shareable = Parameters<typeof verify>[0] & {
  share(): unknown;
  close(): unknown;
  threadGone(threadId: number): unknown;
};

const MADE: Record<Registered["kind"], () => Promise<[Shareable, (shared: never) => Shareable]>> = {
  pool: async () => [new ZbudPool({ maxPages: 10, shared: true }), (shared) => zbudDriver.attach(shared)],
  zpool: async () => [
    createPool("slots", { maxPages: 10, shared: true }),
    (shared) => attachPool(shared) as Shareable,
  ],
  store: async () => [
    new PageStore({ maxBytes: "1MiB", shared: true }),
    (shared) => PageStore.attach(shared),
  ],
  cache: async () => [new CompressedCache({ maxBytes: "2MiB" }), (shared) => CompressedCache.attach(shared)],
  file: async () => [
    await FileBacking.open(freshPath(), { maxBytes: 2 ** 20 }),
    (shared) => FileBacking.attach(shared),
  ],
};

describe("places of threads that are gone", () => {
  for (const kind of Object.keys(MADE) as Registered["kind"][]) {
    it(`a ${kind} is attached to after ${REGISTRY - 1} of them`, async () => {
      const [made, attach] = await MADE[kind]();
      const shared = made.share() as never;
      const workerData: Registered = { kind, shared, places: REGISTRY - 1 };
      const worker = new Worker(new URL("./thread-registry-worker.ts", import.meta.url), { workerData });
      const { threadId } = worker;
      const [code] = (await once(worker, "exit")) as [number];
      assert.equal(code, 0);
      // Elsewhere a thread's end cannot be seen.
      if (process.platform !== "linux") made.threadGone(threadId);
      const registered: Shareable[] = [];
      // The first finds no place and takes one; the others find those that it gave back.
      for (let i = 0; i < REGISTRY - 1; i++) registered.push(attach(shared));
      verify(made);
      assert.throws(() => attach(shared), { code: "EBUSY", message: /127 threads.*threadGone/ });
      for (const each of registered) await each.close();
      await made.close();
    });
  }
});
