import { callText, DEFAULT_STORE_DRIVER } from "./advice.ts";
import type { Setting, StoreSetting } from "./types.ts";

/** The least that a cache takes as its limit. */
const CACHE_BYTES_MIN = 2 ** 20;

/** A program that keeps data as a setting says, to be pasted and made one's own. */
export function codeText(setting: Setting): string {
  const { codec, unit } = setting;
  return `import { createPool } from "zbud";
import { getCodec } from "zbud/codecs";

const codec = getCodec("${codec}");
const pool = ${callText(setting)};

const block = new Uint8Array(${unit});

/** Keeps a unit of ${unit} bytes: a handle, or null if it must stay as it is. */
function keep(bytes) {
  const size = codec.compress(bytes, block);
  const handle = size === 0 ? "ENOSPC" : pool.alloc(size);
  if (typeof handle === "string") return null;
  pool.write(handle, block.subarray(0, size));
  return handle;
}

/** Gives it back. */
function load(handle, into) {
  codec.decompress(pool.map(handle, "ro"), into);
  pool.unmap(handle);
}
`;
}

/** The name of a driver's value: `zbudDriver` for `"zbud"`. */
function driverValue(type: string): string {
  return `${type.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())}Driver`;
}

/** What names driver and page size of the pool in options, a comma before each; nothing for a store's own. */
function poolOptions({ driver, poolPageSize, untouched }: StoreSetting): string {
  if (untouched) return "";
  const named = driver === DEFAULT_STORE_DRIVER ? "" : `, driver: ${driverValue(driver)}`;
  return `${named}${poolPageSize === null ? "" : `, poolPageSize: ${poolPageSize}`}`;
}

/** The call that makes a page store with these settings. */
export function storeCallText(setting: StoreSetting): string {
  const { maxBytes, pageSize, codec } = setting;
  return `new PageStore({ maxBytes: ${maxBytes}, pageSize: ${pageSize}, codec: "${codec}"${poolOptions(setting)} })`;
}

/** The call that makes a cache with these settings; its entries take about what the pages of the store did. */
export function cacheCallText(setting: StoreSetting): string {
  const { maxBytes, codec, averageBytes } = setting;
  const limit = Math.max(CACHE_BYTES_MIN, maxBytes);
  return `new CompressedCache({ maxBytes: ${limit}, codec: "${codec}"${poolOptions(setting)}, averageBytes: ${averageBytes} })`;
}

/** A program that keeps data in a page store, or in a cache, as a setting says. */
export function storeCodeText(setting: StoreSetting): string {
  const { driver, untouched } = setting;
  const imported =
    untouched || driver === DEFAULT_STORE_DRIVER
      ? ""
      : `import { ${driverValue(driver)} } from "zbud/drivers/${driver}";\n`;
  return `// Found by number: pages of ${setting.pageSize} bytes.
${imported}import { PageStore } from "zbud/store";

const store = ${storeCallText(setting)};
const page = new Uint8Array(${setting.pageSize});
store.store(7, page); // "stored"
store.load(7, page); // "loaded"

// Or found by key: strings, bytes, or anything that JSON can hold, of any length to 64 MiB.
import { CompressedCache } from "zbud/cache";

const cache = ${cacheCallText(setting)};
cache.set("key", "value");
cache.get("key");
`;
}
