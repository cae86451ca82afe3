import assert from "node:assert/strict";
import { mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { estimate } from "../../src/estimate/index.ts";

const PAGE = 4096;
const folder = temporaryFolder("lost");

interface Range {
  start: number;
  end: number;
}

/** In every process: pages of the kernel that cannot be read through /proc, right before some that can. */
function kernelPages(): { hole: Range; live: Range } | null {
  if (process.platform !== "linux") return null;
  const lines = readFileSync("/proc/self/maps", "latin1").split("\n");
  const find = (name: string): Range[] =>
    lines
      .filter((line) => line.endsWith(name))
      .map((line) => {
        const [start, end] = line.split(" ")[0].split("-");
        return { start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) };
      });
  const [live] = find("[vdso]");
  if (live === undefined) return null;
  const before = find("[vvar_vclock]").concat(find("[vvar]"));
  const hole = before.find(({ end }) => end === live.start);
  return hole === undefined ? null : { hole, live };
}

const pages = kernelPages();

/** This process, as if those pages were memory of its own, with some that go away after they were listed. */
function fakeSelf(name: string, ranges: Range[], withPagemap: boolean): string {
  const root = join(folder, name);
  const base = join(root, `${process.pid}`);
  mkdirSync(base, { recursive: true });
  const hex = (address: number): string => address.toString(16).padStart(8, "0");
  const lines = ranges.map(({ start, end }) => `${hex(start)}-${hex(end)} rw-p 00000000 00:00 0`);
  writeFileSync(join(base, "maps"), `${lines.join("\n")}\n`);
  for (const file of ["mem", "stat", "comm"]) {
    symlinkSync(`/proc/${process.pid}/${file}`, join(base, file));
  }
  if (!withPagemap) return root;
  const pagemap = openSync(join(base, "pagemap"), "w");
  const resident = Buffer.alloc(8);
  resident.writeBigUInt64LE(1n << 63n);
  for (const { start, end } of ranges) {
    for (let at = start; at < end; at += PAGE) writeSync(pagemap, resident, 0, 8, (at / PAGE) * 8);
  }
  return root;
}

describe("pages that go away after they were listed", { skip: pages === null }, () => {
  const { hole, live } = pages ?? { hole: { start: 0, end: 0 }, live: { start: 0, end: 0 } };
  const liveBytes = live.end - live.start;

  it("only they are missing: what follows is read, and it is said what was lost", async () => {
    const ranges = [live, { start: hole.start, end: live.end }];
    const root = fakeSelf("pagemap", ranges, true);
    const { input, sample } = await estimate(
      { pid: process.pid, processHost: { root, platform: "linux" } },
      { codecs: ["lz4"], units: [4096, 16384] },
    );
    assert.equal(input.process?.residency, "pagemap");
    assert.equal(input.bytes, 2 * liveBytes + hole.end - hole.start);
    assert.equal(sample.bytes, 2 * liveBytes);
    assert.match(input.notes.join(), /KiB changed or went away/);
    assert.equal(input.incomplete, true);
  });

  it("nor does one end the search for pages where nobody says which are in memory", async () => {
    const root = fakeSelf("scan", [{ start: hole.start - 4 * PAGE, end: live.end }], false);
    const { input } = await estimate(
      { pid: process.pid, processHost: { root, platform: "linux" } },
      { codecs: ["lz4"], units: [4096] },
    );
    assert.equal(input.process?.residency, "scan");
    assert.ok(input.bytes > 0 && input.bytes <= liveBytes, `${input.bytes}`);
  });
});
