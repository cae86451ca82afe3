import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { FileBacking, type FileBackingOptions, KeyvBacking } from "../../src/backing/index.ts";
import { seal, unseal } from "../../src/backing/keyv/envelope.ts";
import { verify } from "../../src/diagnostics/index.ts";
import {
  checkRecord,
  decodeRecord,
  emptyRecord,
  encodeRecord,
  recordBytes,
  sealRecord,
} from "../../src/record/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { checkRecordOf, keyIn, keyOf, recordOf } from "./records.ts";

/** Another run: ZBUD_FAST_CHECK_SEED=N. */
const SEED = Number(process.env.ZBUD_FAST_CHECK_SEED ?? 20_260);
const OPTIONS: FileBackingOptions = { maxBytes: 2 ** 18, averageBytes: 512 };
const KEYS = 10;
const BLOCK = 4096;
const ENTRY_BYTES = 32;

/** A good file, closed well. */
async function goodFile(): Promise<Buffer> {
  const path = freshPath();
  const backing = await FileBacking.open(path, OPTIONS);
  await backing.write(Array.from({ length: KEYS }, (_, number) => recordOf(number, 1, 700 + number)));
  await backing.close();
  return readFileSync(path);
}

/** Which of the two header blocks counts, and where its index begins. */
function headerOf(file: Buffer): { at: number; index: number; entries: number } {
  const at = file.readDoubleLE(16) > file.readDoubleLE(BLOCK + 16) ? 0 : BLOCK;
  const maxRows = file.readUInt32LE(at + 56);
  const indexBytes = Math.ceil((maxRows * ENTRY_BYTES) / BLOCK) * BLOCK;
  return {
    at,
    index: 2 * BLOCK + file.readUInt32LE(at + 28) * indexBytes,
    entries: file.readUInt32LE(at + 32),
  };
}

/** Makes all checksums right again. */
function sealFile(file: Buffer): void {
  const { at, index, entries } = headerOf(file);
  file.writeUInt32LE(crc32(file.subarray(index, index + entries * ENTRY_BYTES)), at + 36);
  for (const block of [0, BLOCK]) file.writeUInt32LE(crc32(file.subarray(block, block + 68)), block + 68);
}

/** Whatever is in the file: it opens, or a typed error says why; what is read is right, and it goes on. */
async function assertJudged(file: Buffer): Promise<string> {
  const path = freshPath();
  writeFileSync(path, file);
  let backing: FileBacking;
  try {
    backing = await FileBacking.open(path, OPTIONS);
  } catch (error) {
    const { code } = error as { code?: string };
    assert.ok(["EINVAL", "EBADMSG", "ENOTSUP"].includes(code ?? ""), String((error as Error).stack));
    return code as string;
  }
  const found = backing.opened?.found as string;
  verify(backing);
  for (let number = 0; number < KEYS; number++) {
    try {
      const record = await backing.read(keyOf(number));
      if (record !== null) checkRecordOf(number, record);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "EBADMSG", String((error as Error).stack));
    }
  }
  for (let number = 0; number < 2 * KEYS; number++) {
    assert.deepEqual(await backing.write([recordOf(number, 2, 800)]), ["ok"]);
    checkRecordOf(number, (await backing.read(keyOf(number))) ?? assert.fail("it was just written"));
  }
  verify(backing);
  await backing.close();
  const again = await FileBacking.open(path, OPTIONS);
  assert.equal(again.opened?.found, "clean");
  for (let number = 0; number < 2 * KEYS; number++) {
    checkRecordOf(number, (await again.read(keyOf(number))) ?? assert.fail(`${number} is lost`));
  }
  await again.clear();
  assert.equal(again.stats().records, 0);
  assert.equal(again.stats().bytesUsed, 0);
  verify(again);
  await again.close();
  assert.equal(statSync(path).size, file.length);
  return found;
}

const WORDS = [0, 1, 2, 55, 56, 63, 64, 127, 128, 4096, 2 ** 26 + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const NUMBERS = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -1,
  -2,
  0,
  0.5,
  1,
  3,
  2 ** 51,
  2 ** 53 - 1,
  2 ** 53,
  1e300,
];
const HEADER_WORDS = [8, 12, 24, 28, 32, 48, 52, 56];
const HEADER_NUMBERS = [16, 40];

describe("a file with right checksums and wrong content", () => {
  it("is clean as it is, and with checksums made anew", async () => {
    const file = await goodFile();
    assert.equal(await assertJudged(Buffer.from(file)), "clean");
    sealFile(file);
    assert.equal(await assertJudged(file), "clean");
  });

  for (const at of HEADER_NUMBERS) {
    for (const value of NUMBERS) {
      it(`${value} as the ${at === 16 ? "number" : "sequence"} of a header`, async () => {
        const file = await goodFile();
        for (const block of [0, BLOCK]) file.writeDoubleLE(value, block + at);
        sealFile(file);
        await assertJudged(file);
      });
    }
  }

  it("an entry as long as memory is a damaged index, not a RangeError at each read", async () => {
    for (const bytes of [1, 63, 2 ** 31, 2 ** 32 - 1]) {
      const file = await goodFile();
      file.writeUInt32LE(bytes, headerOf(file).index + 16);
      sealFile(file);
      assert.equal(await assertJudged(file), "damaged");
    }
  });

  it(`any fields of headers and index (fast-check, seed ${SEED})`, async () => {
    const good = await goodFile();
    const block = fc.constantFrom(0, BLOCK);
    const word = fc.oneof(fc.constantFrom(...WORDS), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
    const number = fc.oneof(fc.constantFrom(...NUMBERS), fc.double());
    const change = fc.oneof(
      fc.record({ block, at: fc.constantFrom(...HEADER_WORDS), word }),
      fc.record({ block, at: fc.constantFrom(...HEADER_NUMBERS), number }),
      fc.record({ entry: fc.nat({ max: KEYS - 1 }), at: fc.nat({ max: 7 }), word }),
    );
    const seen: Record<string, number> = {};
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const file = Buffer.from(good);
        const { index } = headerOf(good);
        for (const one of changes) {
          if ("entry" in one) file.writeUInt32LE(one.word, index + one.entry * ENTRY_BYTES + 4 * one.at);
          else if ("word" in one) file.writeUInt32LE(one.word, one.block + one.at);
          else file.writeDoubleLE(one.number, one.block + one.at);
        }
        sealFile(file);
        const result = await assertJudged(file);
        seen[result] = (seen[result] ?? 0) + 1;
      }),
      { numRuns: 150, seed: SEED },
    );
    assert.ok((seen.clean ?? 0) > 5 && (seen.damaged ?? 0) > 20, JSON.stringify(seen));
  });
});

describe("a record with a right checksum and wrong content", () => {
  const records = [
    recordOf(1, 1, 60),
    { ...emptyRecord(), sameFilled: true, fill0: 5, fill1: -5, length: 64 },
  ];
  for (const record of records) {
    it(`is none if any of its bits is another one, or it is of another store; same-filled: ${record.sameFilled}`, () => {
      const bytes = new Uint8Array(recordBytes(record));
      encodeRecord(record, 7, bytes, 0);
      sealRecord(bytes, 0, bytes.length, 5);
      assert.deepEqual(decodeRecord(bytes, 5)?.record.bytes, record.bytes);
      assert.equal(decodeRecord(bytes, 6), null);
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        bytes[bit >> 3] ^= 1 << (bit & 7);
        assert.equal(decodeRecord(bytes, 5), null, `bit ${bit & 7} of byte ${bit >> 3}`);
        bytes[bit >> 3] ^= 1 << (bit & 7);
      }
    });
  }

  /** Words: sequence, its high part and the flag, k0, prefix and head, stored, length, codec, aux, aux2. */
  const WORD_FIELDS = [8, 12, 16, 24, 28, 32, 36, 56, 60];

  it(`is none, or one that could be written (fast-check, seed ${SEED})`, () => {
    const word = fc.constantFrom(...WORDS, 2 ** 21 - 1, 2 ** 21, 2 ** 24, 2 ** 24 + 1, 2 ** 25);
    const change = fc.oneof(
      fc.record({ at: fc.constantFrom(...WORD_FIELDS), word }),
      fc.record({ at: fc.constantFrom(40, 48), number: fc.constantFrom(...NUMBERS) }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 3 }), (changes) => {
        const record = recordOf(1, 1, 300);
        const bytes = new Uint8Array(recordBytes(record));
        encodeRecord(record, 7, bytes, 0);
        const view = new DataView(bytes.buffer);
        for (const one of changes) {
          if ("word" in one) view.setUint32(one.at, one.word, true);
          else view.setFloat64(one.at, one.number, true);
        }
        sealRecord(bytes, 0, bytes.length, 5);
        const decoded = decodeRecord(bytes, 5);
        if (decoded === null) return;
        // As it was read it can be written: that is what is checked there.
        const again = new Uint8Array(bytes.length);
        encodeRecord(decoded.record, decoded.sequence, again, 0);
        sealRecord(again, 0, again.length, 5);
        assert.deepEqual(again, bytes);
        checkRecord(decoded.record);
        const { stamp, expiresAt } = decoded.record;
        assert.ok(Number.isSafeInteger(stamp) && stamp >= 0, `stamp ${stamp}`);
        assert.ok(Number.isFinite(expiresAt) && expiresAt >= 0, `expiresAt ${expiresAt}`);
        assert.ok(Number.isSafeInteger(decoded.sequence));
      }),
      { numRuns: 1000, seed: SEED },
    );
  });

  it("in an envelope: written at no time, or longer than a record may be", async () => {
    const record = recordOf(1, 1, 300);
    assert.equal(unseal(seal(record, 1, 2, 1000), 4096)?.writtenAt, 1000);
    for (const time of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      assert.equal(unseal(seal(record, 1, 2, time), 4096), null);
    assert.equal(unseal(seal(recordOf(1, 1, 5000), 1, 2, 3), 4096), null);

    const values = new Map<string, string>();
    const backing = new KeyvBacking({ store: values as never });
    await backing.clear();
    // What is written at no time is not older than the clear either.
    await backing.write([record]);
    const [name] = values.keys();
    values.set(name, seal(record, 1, 2, Number.NaN));
    await assert.rejects(backing.read(keyIn(record)), { code: "EBADMSG" });
    await backing.close();
  });
});
