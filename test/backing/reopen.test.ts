import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, it } from "node:test";
import { systemIo } from "../../src/backing/file/io.ts";
import { FileBacking, type FileBackingOptions, type FileIo } from "../../src/backing/index.ts";
import { Prng, ZbudError } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { checkRecordOf, keyOf, recordOf } from "./records.ts";

const OPTIONS: FileBackingOptions = { maxBytes: 2 ** 18, averageBytes: 512 };
const KEYS = 40;

/** A file that was left without a close, as a crash leaves it: a copy of one that is in use. */
function crashed(path: string): string {
  const copy = freshPath();
  writeFileSync(copy, readFileSync(path));
  return copy;
}

/** Which version each key has, by reading. */
async function versionsOf(backing: FileBacking): Promise<(number | null)[]> {
  const versions: (number | null)[] = [];
  for (let number = 0; number < KEYS; number++) {
    const record = await backing.read(keyOf(number));
    versions.push(record === null ? null : checkRecordOf(number, record));
  }
  return versions;
}

async function fill(backing: FileBacking, version: number, length = 900): Promise<void> {
  const records = Array.from({ length: KEYS }, (_, number) => recordOf(number, version, length + number));
  for (const outcome of await backing.write(records)) assert.equal(outcome, "ok");
}

describe("a file that is opened again", () => {
  it("has its records after a close", async () => {
    const path = freshPath();
    const first = await FileBacking.open(path, OPTIONS);
    assert.deepEqual(first.opened, { found: "new", records: 0 });
    await fill(first, 1);
    first.delete(keyOf(3));
    await first.close();
    for (let round = 2; round < 6; round++) {
      const next = await FileBacking.open(path, OPTIONS);
      assert.deepEqual(next.opened, { found: "clean", records: KEYS - 1 });
      verify(next);
      const versions = await versionsOf(next);
      assert.equal(versions[3], null);
      assert.equal(versions[5], round - 1);
      await fill(next, round);
      next.delete(keyOf(3));
      await next.close();
    }
  });

  it("has nothing after an unclean end, by default", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(path, OPTIONS);
    await fill(backing, 1);
    await backing.flush();
    const next = await FileBacking.open(crashed(path), OPTIONS);
    assert.deepEqual(next.opened, { found: "empty", records: 0 });
    assert.ok((await versionsOf(next)).every((version) => version === null));
    await fill(next, 7);
    assert.ok((await versionsOf(next)).every((version) => version === 7));
    await next.close();
    await backing.close();
  });

  it("has exactly the last flushed state after an unclean end, with that option", async () => {
    const path = freshPath();
    const options: FileBackingOptions = { ...OPTIONS, unclean: "flushed" };
    const backing = await FileBacking.open(path, options);
    for (let round = 1; round < 8; round++) {
      await fill(backing, round);
      backing.delete(keyOf(round));
      await backing.flush();
      // What comes after the flush is not in it, and takes no room of it.
      for (let number = 0; number < KEYS; number += 2) backing.delete(keyOf(number));
      await backing.write(Array.from({ length: 20 }, (_, i) => recordOf(100 + i, 1, 1500)));
      await backing.write([recordOf(1, 1000, 700)]);
      const copy = crashed(path);
      const next = await FileBacking.open(copy, options);
      assert.equal(next.opened?.found, "flushed");
      verify(next);
      const versions = await versionsOf(next);
      for (let number = 0; number < KEYS; number++) {
        assert.equal(versions[number], number === round ? null : round, `key ${number} in round ${round}`);
      }
      // And it goes on from there.
      await fill(next, 500);
      await next.close();
      const last = await FileBacking.open(copy, options);
      assert.equal((await versionsOf(last))[5], 500);
      await last.close();
      verify(backing);
      for (let i = 0; i < 20; i++) backing.delete(keyOf(100 + i));
      await backing.flush();
    }
    await backing.close();
  });

  it("gives room back at the next flush only, with that option", async () => {
    const backing = await FileBacking.open(freshPath(), { ...OPTIONS, unclean: "flushed" });
    let count = 0;
    while ((await backing.write([recordOf(count, 1, 1000)]))[0] === "ok") count++;
    await backing.flush();
    for (let number = 0; number < count; number++) backing.delete(keyOf(number));
    assert.equal(backing.stats().bytesUsed, 0);
    assert.deepEqual(await backing.write([recordOf(1, 2, 1000)]), ["ENOSPC"]);
    await backing.flush();
    assert.deepEqual(await backing.write([recordOf(1, 3, 1000)]), ["ok"]);
    await backing.close();
  });

  it("is as it was at the last flush wherever the next flush is cut off", async () => {
    for (let cut = 0; cut < 6; cut++) {
      const path = freshPath();
      const system = systemIo();
      let left = Number.POSITIVE_INFINITY;
      const io: FileIo = {
        ...system,
        // From some write on, nothing reaches the file, and the last one does in part: the power went.
        write: async (file, bytes, position) => {
          if (--left === 0)
            await system.write(file, bytes.subarray(0, Math.min(30, bytes.length >> 1)), position);
          return left > 0 ? await system.write(file, bytes, position) : bytes.length;
        },
      };
      const options: FileBackingOptions = { ...OPTIONS, unclean: "flushed" };
      const backing = await FileBacking.open(path, options, { io });
      await fill(backing, 1);
      await backing.flush();
      left = cut + 1;
      await fill(backing, 2);
      await backing.flush();
      const next = await FileBacking.open(crashed(path), options);
      assert.equal(next.opened?.found, "flushed");
      const seen = new Set(await versionsOf(next));
      assert.deepEqual([...seen], [left > 0 ? 2 : 1], `cut at write ${cut}`);
      await next.close();
      await backing.close();
    }
  });
});

const OPENING = `
  import { FileBacking } from ${JSON.stringify(new URL("../../src/backing/index.ts", import.meta.url).href)};
  await FileBacking.open(process.argv[1], ${JSON.stringify(OPTIONS)})
    .then(() => console.log("opened"), (error) => console.log(error.message));`;

describe("a file that something else is, or has", () => {
  it("is refused when another store of this process has it", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(path, OPTIONS);
    await assert.rejects(FileBacking.open(path, OPTIONS), {
      code: "EBUSY",
      message: /another store of this process/,
    });
    await backing.close();
    await (await FileBacking.open(path, OPTIONS)).close();
    const left = readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.owner-`));
    assert.deepEqual(left, [], "no note is left behind");
  });

  it("is refused when another process has it, or may have; not when that is gone", async () => {
    const path = freshPath();
    const note = (name: string, content: unknown): string => {
      const file = `${path}.owner-${name}`;
      writeFileSync(file, JSON.stringify(content));
      return file;
    };
    const first = await FileBacking.open(path, OPTIONS);
    const [own] = readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.owner-`));
    const me = JSON.parse(readFileSync(join(dirname(path), own), "utf8")) as Record<string, unknown>;
    await first.close();
    note("gone", { ...me, pid: 2 ** 22 + 1 });
    note("recycled", { ...me, started: "1" });
    await (await FileBacking.open(path, OPTIONS)).close();
    const other = note("other", { pid: process.ppid, started: startOf(process.ppid), place: me.place });
    await assert.rejects(FileBacking.open(path, OPTIONS), { code: "EBUSY", message: /by process \d+/ });
    writeFileSync(other, JSON.stringify({ ...me, place: "elsewhere a b" }));
    await assert.rejects(FileBacking.open(path, OPTIONS), { code: "EBUSY", message: /another machine/ });
    writeFileSync(other, "{");
    await assert.rejects(FileBacking.open(path, OPTIONS), { code: "EBUSY", message: /cannot be read/ });
  });

  it("is rid of the notes that were never finished, a minute after their process was killed", async () => {
    const path = freshPath();
    const [young, old] = [`${path}.owner-1-2-young~`, `${path}.owner-1-2-old~`];
    for (const note of [young, old]) writeFileSync(note, "{");
    const before = Date.now() / 1000 - 70;
    utimesSync(old, before, before);
    const backing = await FileBacking.open(path, OPTIONS);
    const notes = readdirSync(dirname(path)).filter((name) => name.startsWith(basename(path)));
    assert.ok(notes.includes(basename(young)) && !notes.includes(basename(old)), notes.join(" "));
    await backing.close();
  });

  it("is refused under whatever other name it is opened", async () => {
    const path = freshPath();
    const elsewhere = join(dirname(path), "elsewhere");
    mkdirSync(elsewhere, { recursive: true });
    const backing = await FileBacking.open(path, OPTIONS);
    await fill(backing, 1);
    const refused = async (name: string): Promise<void> => {
      await assert.rejects(FileBacking.open(name, OPTIONS), {
        code: "EBUSY",
        message: /another store of this process/,
      });
      const other = spawnSync(process.execPath, ["--input-type=module", "-e", OPENING, name]);
      assert.match(String(other.stdout), new RegExp(`by process ${process.pid}`), String(other.stderr));
    };
    symlinkSync(path, `${path}.symbolic`);
    symlinkSync(dirname(path), join(elsewhere, "folder"));
    linkSync(path, `${path}.hard`);
    linkSync(path, join(elsewhere, "hard"));
    const names = [
      `${path}.symbolic`,
      `${path}.hard`,
      join(elsewhere, "hard"),
      join(elsewhere, "folder", basename(path)),
    ];
    for (const name of names) await refused(name);
    renameSync(path, join(elsewhere, "moved"));
    await refused(join(elsewhere, "moved"));
    // What has the name now is another file, which nobody has.
    await (await FileBacking.open(path, OPTIONS)).close();
    await backing.close();
    const again = await FileBacking.open(`${path}.hard`, OPTIONS);
    assert.equal(again.opened?.found, "clean");
    assert.ok(again.opened.records > 0);
    await again.close();
  });

  it("is not locked for ever by a note that says nothing, whatever it has instead", async () => {
    const path = freshPath();
    const long = new Date(Date.now() - 61_000);
    for (const content of ["", "{", "null", "7", "[]", "{}", '{"pid":"1"}']) {
      const note = `${path}.owner-1`;
      writeFileSync(note, content);
      await assert.rejects(FileBacking.open(path, OPTIONS), { code: "EBUSY", message: /or wait/ });
      utimesSync(note, long, long);
      writeFileSync(`${note}~`, "");
      utimesSync(`${note}~`, long, long);
      await (await FileBacking.open(path, OPTIONS)).close();
      const left = readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.owner-`));
      assert.deepEqual(left, []);
    }
  });

  it("is free when the number of its process is another's by now, where no start is known", async () => {
    const path = freshPath();
    const first = await FileBacking.open(path, OPTIONS);
    const [own] = readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.owner-`));
    const me = JSON.parse(readFileSync(join(dirname(path), own), "utf8")) as Record<string, unknown>;
    await first.close();
    const note = `${path}.owner-1`;
    writeFileSync(note, JSON.stringify({ ...me, pid: process.ppid, started: "" }));
    await assert.rejects(FileBacking.open(path, OPTIONS), { code: "EBUSY", message: /by process/ });
    const long = new Date(Date.now() - 61_000);
    utimesSync(note, long, long);
    await (await FileBacking.open(path, OPTIONS)).close();
  });

  it("is left as it is when it is not ours", async () => {
    const path = freshPath();
    // An image of a disk or of memory: zeros, and its content far behind. It may be of just the length of a file of ours.
    const image = (length: number): string => `${"\0".repeat(length - 1)}x`;
    const ours = freshPath();
    await (await FileBacking.open(ours, OPTIONS)).close();
    const foreign = [
      "something else",
      "x".repeat(10_000),
      image(8193),
      image(300_000),
      image(statSync(ours).size),
    ];
    for (const content of foreign) {
      writeFileSync(path, content);
      await assert.rejects(FileBacking.open(path, OPTIONS), { code: "EBADMSG" });
      assert.equal(readFileSync(path, "utf8"), content);
    }
    await assert.rejects(FileBacking.open(dirname(path), OPTIONS), ZbudError);
    await assert.rejects(FileBacking.open(join(path, "below"), OPTIONS), ZbudError);
    await assert.rejects(FileBacking.open(join(dirname(path), "none", "x"), OPTIONS), {
      code: "ENOENT",
      message: /the folder of this path is not there; make it first/,
    });
  });

  it("is made where a process ended while it made it, which left zeros or nothing", async () => {
    const path = freshPath();
    for (const length of [0, 100, 8192, 2 ** 18, 300_000]) {
      writeFileSync(path, new Uint8Array(length));
      const backing = await FileBacking.open(path, OPTIONS);
      assert.deepEqual(backing.opened, { found: "new", records: 0 });
      await fill(backing, 1);
      await backing.close();
      assert.ok(statSync(path).size <= 2 ** 18);
    }
  });

  it("is refused with other sizes, and says which", async () => {
    const path = freshPath();
    await (await FileBacking.open(path, OPTIONS)).close();
    const opening = FileBacking.open(path, { ...OPTIONS, maxBytes: 2 ** 19 });
    await assert.rejects(opening, { code: "EINVAL", message: /other sizes/ });
    await (await FileBacking.open(path, OPTIONS)).close();
  });

  it("is made for its owner only, with its full length", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(path, OPTIONS);
    const { mode, size } = statSync(path);
    assert.equal(mode & 0o777, 0o600);
    assert.ok(size <= 2 ** 18 && size > 2 ** 18 - 128, `${size} bytes`);
    await backing.close();
  });

  const BAD: readonly [string, Record<string, unknown>][] = [
    ["no size", { maxBytes: undefined }],
    ["a share of memory as size", { maxBytes: "20%" }],
    ["a size that is too small", { maxBytes: 1000 }],
    ["units that are no power of two", { unitBytes: 100 }],
    ["a word that is none", { whenFull: "wait" }],
    ["a word that is none", { unclean: "repair" }],
    ["words that do not go together", { whenFull: "drop", unclean: "flushed" }],
    ["a clock that is none", { clock: 5 }],
    ["no time", { timeoutMs: 0 }],
  ];
  for (const [what, wrong] of BAD) {
    it(`EINVAL: ${what}: ${JSON.stringify(wrong)}`, async () => {
      const options = { ...OPTIONS, ...wrong } as FileBackingOptions;
      await assert.rejects(FileBacking.open(freshPath(), options), { code: "EINVAL" });
    });
  }
});

/** When a process started, as its note would say. */
function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

describe("a damaged file", () => {
  it("gives the records, misses or typed errors, whichever byte is flipped", async () => {
    const path = freshPath();
    const options: FileBackingOptions = { maxBytes: 65_536, averageBytes: 4096, unclean: "flushed" };
    const backing = await FileBacking.open(path, options);
    await backing.write(Array.from({ length: 12 }, (_, number) => recordOf(number, 1, 100 + 60 * number)));
    await backing.close();
    const whole = readFileSync(path);
    const used = usedBytes(whole);
    const prng = new Prng(1);
    const seen = { good: 0, missing: 0, damaged: 0 };
    // Every byte of headers and index, and a good part of the others.
    const places = used.filter((at) => at < 8192 + 2 * 4096 || prng.chance(0.1));
    const copy = freshPath();
    for (const at of places) {
      const bytes = Buffer.from(whole);
      bytes[at] ^= 1 << prng.below(8);
      writeFileSync(copy, bytes);
      let next: FileBacking;
      try {
        next = await FileBacking.open(copy, options);
      } catch (error) {
        assert.ok(
          error instanceof ZbudError && ["EBADMSG", "EINVAL", "ENOTSUP"].includes(error.code),
          String(error),
        );
        continue;
      }
      for (let number = 0; number < 12; number++) {
        try {
          const record = await next.read(keyOf(number));
          if (record === null) seen.missing++;
          else {
            assert.equal(checkRecordOf(number, record), 1);
            seen.good++;
          }
        } catch (error) {
          assert.ok(error instanceof ZbudError && error.code === "EBADMSG", String(error));
          seen.damaged++;
        }
      }
      verify(next);
      await next.close();
    }
    assert.ok(seen.good > 1000 && seen.missing > 10 && seen.damaged > 10, JSON.stringify(seen));
  });
});

/** Places of bytes that are not zero. */
function usedBytes(bytes: Buffer): number[] {
  const places: number[] = [];
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) places.push(at);
  return places;
}
