/** Compresses a file unit by unit and drops the result: FILE CODEC UNIT whole|stream. Prints its bytes. */
import { openSync, readFileSync, readSync } from "node:fs";
import { getCodec } from "../src/codecs/index.ts";

const [file, codecName, unitText, how] = process.argv.slice(2);
const codec = getCodec(codecName);
const unit = Number(unitText);
const target = new Uint8Array(codec.maxCompressedLength(unit));

function compressUnits(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; at += unit) codec.compress(bytes.subarray(at, at + unit), target);
  return bytes.length;
}

let total = 0;
if (how === "whole") {
  total = compressUnits(readFileSync(file));
} else {
  const fd = openSync(file, "r");
  const chunk = new Uint8Array(1 << 20);
  for (let n = readSync(fd, chunk); n > 0; n = readSync(fd, chunk))
    total += compressUnits(chunk.subarray(0, n));
}
console.log(total);
