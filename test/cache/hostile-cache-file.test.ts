import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { temporaryFolder } from "../../scripts/tools.ts";
import { registerCodec } from "../../src/codecs/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { assertUsable, DICTIONARY, FIELDS, fill, type Options, open, put, SEED } from "./hostile.ts";

registerBuiltIns();

const HEADER_BYTES = 32;
const ENTRY_HEADER_BYTES = 64;

const folder = temporaryFolder("hostile");
const path = join(folder, "file");

/** A file taken apart: what is put together of it again has right checksums, whatever was changed. */
interface Parts {
  header: Buffer;
  dictionary: Buffer;
  entries: Buffer[];
}

function partsOf(file: Buffer): Parts {
  const header = Buffer.from(file.subarray(0, HEADER_BYTES));
  let at = HEADER_BYTES + header.readUInt32LE(16);
  const parts: Parts = { header, dictionary: Buffer.from(file.subarray(HEADER_BYTES, at)), entries: [] };
  while (file.readUInt32LE(at) !== 0xffff_ffff) {
    const named = file.readUInt16LE(at + 24) + file.readUInt16LE(at + 26);
    const end =
      at + ENTRY_HEADER_BYTES + named + (isSameFilled(file.subarray(at)) ? 0 : file.readUInt32LE(at + 28));
    parts.entries.push(Buffer.from(file.subarray(at, end)));
    at = end;
  }
  return parts;
}

function isSameFilled(entry: Buffer): boolean {
  return entry.readUInt8(15) === 1;
}

function fileOf({ header, dictionary, entries }: Parts): Buffer {
  const head = Buffer.from(header);
  head.writeUInt32LE(crc32(dictionary), 20);
  head.writeUInt32LE(crc32(head.subarray(0, 28)), 28);
  const pieces: Buffer[] = [head, dictionary];
  for (const entry of entries) {
    const own = Buffer.from(entry);
    own.writeUInt32LE(crc32(own.subarray(8), head.readUInt32LE(28)), 4);
    pieces.push(own);
  }
  const end = Buffer.alloc(12);
  end.writeUInt32LE(0xffff_ffff, 0);
  end.writeUInt32LE(entries.length, 4);
  end.writeUInt32LE(crc32(end.subarray(0, 8)), 8);
  return Buffer.concat([...pieces, end]);
}

async function saved(options: Options = { dictionary: DICTIONARY }): Promise<Buffer> {
  const cache = open(options);
  fill(cache);
  assert.equal(await cache.save(path), 9);
  cache.close();
  return readFileSync(path);
}

/** All or nothing: a file is loaded whole, or a typed error says at which entry it is wrong. */
async function assertJudged(parts: Parts, options: Options = {}): Promise<"loaded" | "refused"> {
  writeFileSync(path, fileOf(parts));
  const cache = open(options);
  try {
    let refused = false;
    try {
      await cache.load(path);
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      assert.equal(code, "EBADMSG", `${code}: ${(error as Error).stack}`);
      assert.match(message, /nothing of it was loaded/);
      assert.equal(cache.size, 0, message);
      refused = true;
    }
    assertUsable(cache);
    return refused ? "refused" : "loaded";
  } finally {
    cache.close();
  }
}

describe("a snapshot with right checksums and wrong content", () => {
  const refused: [string, RegExp, (parts: Parts) => void][] = [];
  const entry = (name: string, why: RegExp, at: number, change: (entry: Buffer) => unknown): void => {
    refused.push([
      name,
      new RegExp(`entry ${at}:? .*${why.source}`),
      ({ entries }) => {
        const changed = change(entries[at] as Buffer);
        if (changed instanceof Buffer) entries[at] = changed;
      },
    ]);
  };
  // In the file's order, by `fill`: 0 is "text", 2 is 1.5, 3 is a key of bytes, 7 is the empty one.
  for (const time of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1]) {
    entry(`expiry ${time}`, /is damaged/, 0, (one) => one.writeDoubleLE(time, 40));
  }
  entry("a window of staleness below 0", /a window of staleness of -1/, 0, (one) => one.writeInt32LE(-1, 60));
  entry("a window of staleness of what never ends", /window of staleness/, 3, (one) =>
    one.writeInt32LE(1, 60),
  );
  entry("same-filled with a name", /one word that fills/, 0, (one) => {
    one.writeUInt8(1, 15);
    return one.subarray(0, ENTRY_HEADER_BYTES + one.readUInt16LE(24) + one.readUInt16LE(26));
  });
  entry("a flag that is none", /is damaged/, 0, (one) => one.writeUInt8(2, 15));
  entry("no magic", /is damaged/, 0, (one) => one.writeUInt8(0, 0));
  entry("the number of another entry", /is damaged/, 2, (one) => one.writeUInt32LE(1, 8));
  entry("a stamp that is none", /is damaged/, 2, (one) => one.writeDoubleLE(0.5, 48));
  entry("not same-filled, and no bytes", /no bytes at all/, 7, (one) => one.writeUInt8(0, 15));
  entry("raw bytes of another length", /3 bytes of codec 0 for a value of 4/, 2, (one) =>
    one.writeUInt32LE(4, 32),
  );
  entry("a compressed value shorter than its block", /for a value of 1/, 0, (one) =>
    one.writeUInt32LE(1, 32),
  );
  entry("a value that is longer than any", /value of 67108865 bytes/, 0, (one) =>
    one.writeUInt32LE(2 ** 26 + 1, 32),
  );
  const kind = (one: Buffer, kind: number): number => one.writeUInt8((one[56] & ~7) | kind, 56);
  entry("an unknown kind of value", /unknown kind 6/, 0, (one) => kind(one, 6));
  entry("all bits of its kind and ttl", /unknown kind 7/, 0, (one) => one.writeInt32LE(-1, 56));
  entry("half of a 16-bit unit", /half of a character/, 2, (one) => kind(one, 3));
  entry("what is said to be JSON, and is none", /cannot be read/, 2, (one) => kind(one, 4));
  entry("a value of a serializer that the cache has not", /serializer/, 2, (one) => kind(one, 5));
  entry("a ttl of what never ends", /a ttl of 1 ms, and 0/, 3, (one) => one.writeUInt8(1, 57));
  entry("no ttl of what ends", /a ttl of 0 ms, and \d/, 2, (one) => one.fill(0, 57, 60));
  entry("a ttl in a form that is not the shortest", /a ttl of \d+ ms/, 2, (one) =>
    one.writeUInt8(one[56] | (1 << 3), 56),
  );
  entry("an unknown codec", /codec 77 is not known here/, 0, (one) => one.writeUInt8(77, 36));
  entry("a dictionary beside its codec", /codec 258/, 0, (one) => one.writeUInt32LE(258, 36));
  entry("a block that its codec did not make", /cannot be read/, 0, (one) => one.fill(0xff, one.length - 9));
  entry("half a number as key", /a key that is none/, 3, (one) => one.writeUInt8(0xfe, ENTRY_HEADER_BYTES));
  entry("a key that is no UTF-8", /a key that is none/, 1, (one) => one.writeUInt8(0xc0, ENTRY_HEADER_BYTES));
  entry("a key that names a dictionary", /a key that is none/, 0, (one) =>
    one.writeUInt8(0xfd, ENTRY_HEADER_BYTES),
  );
  entry("-0 as key", /a key that is none/, 2, (one) => {
    one.fill(0, ENTRY_HEADER_BYTES + 1, ENTRY_HEADER_BYTES + 9);
    one.writeUInt8(
      0x80,
      ENTRY_HEADER_BYTES + (new Uint8Array(Float64Array.of(-0).buffer)[7] === 0x80 ? 8 : 1),
    );
  });
  entry("a tag twice", /a tag twice/, 0, (one) =>
    one.copyWithin(ENTRY_HEADER_BYTES + 4, ENTRY_HEADER_BYTES + 12, ENTRY_HEADER_BYTES + 20),
  );
  entry("half a tag", /12 bytes of tags/, 0, (one) => {
    one.writeUInt16LE(8, 24);
    one.writeUInt16LE(12, 26);
  });
  refused.push([
    "a codec that takes no dictionary",
    /takes no dictionary/,
    (parts) => parts.header.writeUInt32LE(4, 12),
  ]);
  refused.push([
    "a codec of the header that none can be",
    /wrong numbers/,
    (parts) => parts.header.writeUInt32LE(256, 12),
  ]);
  refused.push([
    "a zero of the header that is none",
    /wrong numbers/,
    (parts) => parts.header.writeUInt32LE(1, 24),
  ]);
  refused.push([
    "entries that need a dictionary, without one",
    /entry \d: it needs a dictionary/,
    (parts) => {
      parts.dictionary = Buffer.alloc(0);
      parts.header.writeUInt32LE(0, 16);
    },
  ]);
  for (const [name, why, change] of refused) {
    it(name, async () => {
      const parts = partsOf(await saved());
      assert.equal(await assertJudged(parts), "loaded");
      change(parts);
      writeFileSync(path, fileOf(parts));
      const cache = open();
      cache.set("own", "value");
      await assert.rejects(cache.load(path), { code: "EBADMSG", message: why });
      assert.deepEqual([...cache], [["own", "value"]], "nothing was taken over");
      cache.close();
      await assertJudged(parts);
    });
  }

  it("what follows the end is damage too", async () => {
    writeFileSync(path, Buffer.concat([await saved(), Buffer.alloc(1)]));
    await assert.rejects(open().load(path), { code: "EBADMSG", message: /its end is damaged/ });
  });

  for (const bytes of [2 ** 20, 2 ** 29, 2 ** 30, 2 ** 32 - 1]) {
    it(`a dictionary of ${bytes} bytes is declared: no memory is taken for it`, async () => {
      const { header } = partsOf(await saved());
      header.writeUInt32LE(bytes, 16);
      header.writeUInt32LE(crc32(header.subarray(0, 28)), 28);
      writeFileSync(path, header);
      // Sparse: all of these bytes are there.
      truncateSync(path, Math.min(2 ** 31, bytes + 100));
      const cache = open({ maxBytes: "1MiB" });
      const before = process.memoryUsage().rss;
      await assert.rejects(cache.load(path), {
        code: "EBADMSG",
        message: /dictionary of \d+ bytes is too long/,
      });
      assert.ok(process.memoryUsage().rss - before < 2 ** 26);
      assertUsable(cache);
      cache.close();
    });
  }

  it(`each field of each entry, any value (fast-check, seed ${SEED})`, async () => {
    const files = [partsOf(await saved()), partsOf(await saved({ codec: "none", dictionary: "none" }))];
    const field = fc.constantFrom(...FIELDS).chain(([name, at, type, values]) => {
      const bits = fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 });
      const any =
        type === "F64"
          ? fc.oneof(fc.constantFrom(...values), fc.double())
          : fc.oneof(fc.constantFrom(...values), bits);
      return any.map((value) => ({ name, at, type, value }));
    });
    const change = fc.record({
      entry: fc.nat({ max: 8 }),
      fields: fc.array(field, { minLength: 1, maxLength: 3 }),
    });
    const seen = { loaded: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 1),
        fc.array(change, { minLength: 1, maxLength: 2 }),
        async (which, changes) => {
          const { header, dictionary, entries } = files[which];
          const own = entries.map((one) => Buffer.from(one));
          for (const { entry: at, fields } of changes) {
            for (const one of fields) put(own[at], one.at, one.type, one.value);
          }
          seen[await assertJudged({ header, dictionary, entries: own })]++;
        },
      ),
      { numRuns: 250, seed: SEED },
    );
    assert.ok(seen.loaded > 10 && seen.refused > 50, JSON.stringify(seen));
  });

  it(`any byte of any part, any bytes as key, tags and value (fast-check, seed ${SEED})`, async () => {
    const good = partsOf(await saved());
    const bytes = fc.uint8Array({ maxLength: 24 });
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 8 }),
        fc.oneof(
          fc.record({ at: fc.nat({ max: 400 }), xor: fc.integer({ min: 1, max: 255 }) }),
          fc.record({
            key: bytes,
            tags: bytes,
            value: bytes,
            length: fc.nat({ max: 30 }),
            codec: fc.constantFrom(0, 2, 3, 127),
          }),
        ),
        async (at, change) => {
          const entries = good.entries.map((one) => Buffer.from(one));
          if ("key" in change) {
            const { key, tags, value, length, codec } = change;
            const head = Buffer.from(entries[at].subarray(0, ENTRY_HEADER_BYTES));
            head.writeUInt8(0, 15);
            head.writeUInt16LE(key.length, 24);
            head.writeUInt16LE(tags.length, 26);
            head.writeUInt32LE(value.length, 28);
            head.writeUInt32LE(codec === 0 ? value.length : length, 32);
            head.writeUInt32LE(codec, 36);
            head.writeInt32LE(2, 56);
            entries[at] = Buffer.concat([head, key, tags, value]);
          } else {
            entries[at][change.at % entries[at].length] ^= change.xor;
          }
          await assertJudged({ ...good, entries });
        },
      ),
      { numRuns: 250, seed: SEED },
    );
  });

  it("cut off at the end of every part, and within", async () => {
    const file = await saved();
    const { dictionary, entries } = partsOf(file);
    const ends = [0, 8, HEADER_BYTES, HEADER_BYTES + dictionary.length];
    for (const one of entries)
      ends.push((ends.at(-1) as number) + ENTRY_HEADER_BYTES, (ends.at(-1) as number) + one.length);
    ends.push(file.length - 4, file.length - 12);
    for (const end of new Set(ends.flatMap((at) => [at - 1, at, at + 1]))) {
      if (end < 0 || end >= file.length) continue;
      writeFileSync(path, file.subarray(0, end));
      const cache = open();
      await assert.rejects(cache.load(path), { code: "EBADMSG" }, `${end} bytes`);
      assert.equal(cache.size, 0);
      cache.close();
    }
  });
});

describe("a snapshot of a cache with other options", () => {
  it("without tags; another codec, driver and dictionary; with a serializer", async () => {
    for (const options of [
      { tags: false },
      { codec: "deflate" },
      { codec: "none", driver: "zbud" },
      { dictionary: Buffer.from("another dictionary, of no use") },
      { serializer: "v8" as const },
      { maxEntries: 3 },
    ] satisfies Options[]) {
      await saved();
      const cache = open(options);
      const count = await cache.load(path);
      assert.equal(count, 9, JSON.stringify(options));
      const all = open();
      await all.load(path);
      for (const [key, value] of cache) assert.deepStrictEqual(value, all.get(key));
      if (options.tags !== false) assertUsable(cache);
      cache.close();
      all.close();
    }
  });

  it("values that their serializer cannot read are found before anything is added", async () => {
    const own = {
      serialize: (value: unknown): Uint8Array => Buffer.from(`!${value}`),
      deserialize: (bytes: Uint8Array): unknown => {
        if (bytes[0] !== 33) throw new TypeError("not of this serializer");
        // It is its own to keep and to change.
        return bytes.fill(32, 0, 1);
      },
    };
    for (const serializer of ["v8", own] as const) {
      const cache = open({ serializer });
      for (const key of ["a", "b"]) cache.set(key, "text ".repeat(100));
      cache.set("short", "x");
      await cache.save(path);
      const parts = partsOf(readFileSync(path));
      // The first byte of a value that is kept as it is.
      const short = parts.entries.find(
        (entry) => !isSameFilled(entry) && entry.readUInt32LE(36) === 0,
      ) as Buffer;
      short[short.length - short.readUInt32LE(28)] ^= 0xff;
      writeFileSync(path, fileOf(parts));
      const other = open({ serializer });
      await assert.rejects(other.load(path), { code: "EBADMSG", message: /cannot be read/ });
      assert.equal(other.size, 0);
      for (const one of [cache, other]) one.close();
    }
  });

  it("values of a serializer need one", async () => {
    const cache = open({ serializer: "v8" });
    cache.set("a", new Map([[1, 2]]));
    await cache.save(path);
    const other = open();
    await assert.rejects(other.load(path), { code: "EBADMSG", message: /make this cache with the same one/ });
    assert.equal(other.size, 0);
    const same = open({ serializer: "v8" });
    assert.equal(await same.load(path), 1);
    assert.deepEqual(same.get("a"), new Map([[1, 2]]));
    for (const one of [cache, other, same]) one.close();
  });

  it("a codec of its own that is not registered reads what it wrote", async () => {
    const codec = (): ReturnType<typeof codecOfTest> => codecOfTest(201);
    const cache = open({ codec });
    cache.set("a", "text ".repeat(100));
    await cache.save(path);
    const same = open({ codec });
    assert.equal(await same.load(path), 1);
    assert.equal(same.get("a"), "text ".repeat(100));
    await assert.rejects(open().load(path), {
      code: "EBADMSG",
      message: /codec 201 is not known here; register it/,
    });
    registerCodec(codecOfTest(201));
    const registered = open();
    assert.equal(await registered.load(path), 1);
    assert.equal(registered.get("a"), "text ".repeat(100));
  });

  it("one smaller than its entries: what is too large is left out", async () => {
    const cache = open({ maxBytes: "16MiB" });
    cache.set("small", "x");
    cache.set(
      "large",
      Uint8Array.from({ length: 2 ** 20 }, (_, i) => Math.imul(i * i, 0x9e37_79b1) >>> 24),
    );
    await cache.save(path);
    const small = open({ maxBytes: "1MiB" });
    assert.equal(await small.load(path), 1);
    assert.deepEqual([...small.keys()], ["small"]);
    assert.equal(small.stats().rejectTooBig, 1);
    assertUsable(small);
  });
});

/** Halves runs of one byte, badly. */
function codecOfTest(id: number) {
  return {
    name: `of the test ${id}`,
    id,
    maxCompressedLength: (n: number): number => n + 1,
    compress: (source: Uint8Array, target: Uint8Array): number => {
      if (target.length < 6 || source.length < 10) return 0;
      target.set(source.subarray(0, 5));
      target[5] = source.length / 5;
      return 6;
    },
    decompress: (source: Uint8Array, target: Uint8Array): number => {
      for (let i = 0; i < source[5]; i++) target.set(source.subarray(0, 5), 5 * i);
      return 5 * source[5];
    },
  };
}
