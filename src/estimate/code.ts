import { callText } from "./advice.ts";
import type { Setting } from "./types.ts";

/** A program that keeps data as a setting says, to be pasted and made one's own. */
export function codeText(setting: Setting): string {
  const { codec, unit } = setting;
  return `import { createZpool } from "zbud";
import { getCodec } from "zbud/codecs";

const codec = getCodec("${codec}");
const pool = ${callText(setting)};

const block = new Uint8Array(${unit});

/** Keeps a unit of ${unit} bytes: a handle, or null if it must stay as it is. */
function keep(bytes) {
  const size = codec.compress(bytes, block);
  const handle = size === 0 ? "ENOSPC" : pool.malloc(size);
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
