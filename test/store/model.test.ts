import { describe, it } from "node:test";
import { MemoryBacking } from "../../src/backing/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { driverTypes } from "../../src/pool/index.ts";
import { checkEmptied, runModel } from "./store-model.ts";

registerBuiltIns();

const base = { steps: 1500, indices: 60 };
const small = { maxBytes: 140_000, pageSize: 4096 };

describe("the page store against a Map", () => {
  for (const driver of driverTypes()) {
    it(`${driver}: a full store without backing store loses nothing it took`, async () => {
      await checkEmptied(await runModel({ ...base, seed: 1, options: { ...small, driver } }));
    });
    for (const evict of ["lru", "sieve", "page"] as const) {
      it(`${driver}, by ${evict}: writeback at the limit, and loads from there`, async () => {
        const backing = new MemoryBacking();
        const options = { ...small, driver, evict, backing };
        await checkEmptied(await runModel({ ...base, seed: 2, options }), backing);
      });
    }
    it(`${driver}: a slow backing store`, async () => {
      const backing = new MemoryBacking({ delayMs: 3 });
      const options = { ...small, driver, backing, acceptThresholdPercent: 50 };
      await checkEmptied(await runModel({ ...base, seed: 3, options }), backing);
    });
  }
  it("what is dropped when full is a miss, never another page", async () => {
    const options = { ...small, whenFull: "drop" } as const;
    await checkEmptied(await runModel({ ...base, seed: 4, options, lossy: true }));
  });
  it("incompressible pages go to the backing store", async () => {
    const backing = new MemoryBacking({ delayMs: 1 });
    const options = { ...small, backing, incompressible: "writeback" } as const;
    await checkEmptied(await runModel({ ...base, seed: 5, options }), backing);
  });
  it("a backing store that is full", async () => {
    const backing = new MemoryBacking({ maxBytes: 30_000 });
    await checkEmptied(await runModel({ ...base, seed: 6, options: { ...small, backing }, lossy: true }));
  });
  it("large pages, small pages", async () => {
    const large = { maxBytes: 8_000_000, pageSize: 2 ** 18 };
    await checkEmptied(await runModel({ seed: 7, steps: 300, indices: 40, options: large }));
    const tiny = { maxBytes: 140_000, pageSize: 512 };
    await checkEmptied(await runModel({ seed: 8, steps: 1500, indices: 600, options: tiny }));
  });
});
