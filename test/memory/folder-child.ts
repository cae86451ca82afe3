/** The folder for bare names, in a shared memory file system that nobody else sees. */

import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { segmentFolder, segmentNames } from "../../src/memory/index.ts";
import { isCode } from "../support/is-code.ts";
import { openSegment } from "./segments.ts";

function open(name: string): boolean {
  const { segment, isNew } = openSegment({ name });
  segment.close();
  return isNew;
}

const folder = segmentFolder();
assert.deepEqual(readdirSync("/dev/shm"), [], "nobody else sees it");
assert.equal(folder, `/dev/shm/zbud-${process.getuid?.()}`);
assert.deepEqual(segmentNames(), []);

// Made for its user alone, whatever the mask.
process.umask(0);
assert.equal(open("app"), true);
assert.equal(statSync(folder).mode & 0o777, 0o700);
assert.equal(statSync(`${folder}/app`).mode & 0o777, 0o600);
writeFileSync(`${folder}/app.draft-0123abcd`, "");
writeFileSync(`${folder}/.hidden`, "");
assert.deepEqual(segmentNames(), ["app"]);
assert.equal(open("app"), false);

const isRefused = (...names: string[]): void => {
  assert.throws(() => open("app"), isCode("EACCES", folder, ...names));
};

for (const mode of [0o777, 0o710, 0o701, 0o740, 0o702]) {
  chmodSync(folder, mode);
  isRefused("can be used by others", mode.toString(8));
}
chmodSync(folder, 0o700);
assert.equal(open("app"), false);

chownSync(folder, 12345, 12345);
isRefused("belongs to user 12345");
rmSync(folder, { recursive: true });

for (const target of ["/tmp", "/dev/shm/nothing"]) {
  symlinkSync(target, folder);
  isRefused("is not a folder");
  rmSync(folder);
}
writeFileSync(folder, "");
isRefused("is not a folder");
rmSync(folder);
assert.equal(existsSync("/dev/shm/nothing"), false);

assert.equal(open("app"), true, "it is made again");
console.log("all is well");
