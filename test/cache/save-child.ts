/** Saves a cache to a path, in a process or thread that may be killed meanwhile. */
import fs from "node:fs/promises";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";

const { PATH_TO_SAVE = "", MARK = "", TIMES = "" } = process.env;
const cache = new CompressedCache<unknown>({ maxBytes: "4MiB", dictionary: "none" });
const prng = new Prng(1);
cache.set("mark", MARK);
for (let i = 0; i < 40; i++) {
  cache.set(
    `noise ${i}`,
    Uint8Array.from({ length: 20_000 }, () => prng.below(256)),
  );
}
if (TIMES === "stop") {
  // The file is being written, and is not closed.
  const open = fs.open;
  fs.open = async (...args) => {
    const file = await open(...args);
    const sync = file.sync.bind(file);
    file.sync = async () => {
      await sync();
      process.stdout.write("writing\n");
      setInterval(() => undefined, 1000);
      await new Promise(() => undefined);
    };
    return file;
  };
}
try {
  for (let i = 0; i < (Number(TIMES) || 1); i++) await cache.save(PATH_TO_SAVE);
} catch (error) {
  console.log(String((error as { code?: unknown }).code));
}
