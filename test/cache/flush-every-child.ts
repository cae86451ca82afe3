/** `node flush-every-child.ts PATH SEED FIRST`: works with a cache on a file until it is killed, and tells what it does. */
import { writeSync } from "node:fs";
import { FileBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { FLUSH_EVERY, KEYS, OPTIONS, TAGS, type Told, textOf, versionOf } from "./flush-every.ts";

const [path, seed, first] = process.argv.slice(2);
const prng = new Prng(Number(seed));
let at = Number(first);

function tell(told: Told): void {
  // One write, and not through a stream: what was told must be out before the process is killed.
  writeSync(1, `${JSON.stringify(told)}\n`);
}

const backing = await FileBacking.open(path, OPTIONS);
const flush = backing.flush.bind(backing);
let before = at;
backing.flush = async () => {
  await flush();
  // This flush of the cache began after the one before had ended, so it has all that was set until then.
  tell({ flushed: before });
  before = at;
};
const cache = new CompressedCache<string>({
  maxBytes: "1MiB",
  maxEntries: KEYS / 3,
  tags: true,
  backing,
  flushEvery: FLUSH_EVERY,
});
const found: number[] = [];
for (let key = 0; key < KEYS; key++) found.push(versionOf(key, await cache.getAsync(key)));
tell({ found });
for (;;) {
  for (let i = prng.between(1, 30); i > 0; i--) {
    const key = prng.below(KEYS);
    const version = ++at;
    if (prng.chance(0.8)) {
      tell({ keys: [key], version, isSet: true });
      cache.set(key, textOf(key, version), { tags: [`t${key % TAGS}`] });
    } else if (prng.chance(0.9)) {
      tell({ keys: [key], version, isSet: false });
      cache.delete(key);
    } else {
      const keys = Array.from({ length: KEYS }, (_, i) => i).filter((i) => i % TAGS === key % TAGS);
      tell({ keys, version, isSet: false });
      cache.deleteByTag(`t${key % TAGS}`);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, prng.below(4)));
}
