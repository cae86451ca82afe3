import assert from "node:assert/strict";
import { it } from "node:test";
import type { BackingKey, StoredEntry } from "../../../src/backing/index.ts";
import { ZbudError } from "../../../src/base/index.ts";
import { keyIn, keyOf, NO_PREFIX, recordOf } from "../../backing/records.ts";
import { using } from "./calls.ts";
import type { BackingKind } from "./kind.ts";

const GOOD = recordOf(1, 1, 10);

/** Things that are no records, whatever their type claims. */
const BAD_RECORDS: readonly [string, unknown][] = [
  ["nothing", undefined],
  ["null", null],
  ["no name", { ...GOOD, k0: undefined }],
  ["k0 that is not an int32", { ...GOOD, k0: 2 ** 31 }],
  ["k1 that is a fraction", { ...GOOD, k1: 0.5 }],
  ["a prefix of no length", { ...GOOD, prefixLength: undefined }],
  ["a prefix that is too long", { ...GOOD, prefixLength: 65_536, bytes: new Uint8Array(70_000) }],
  ["a head that is a fraction", { ...GOOD, headLength: 0.5 }],
  ["a head that is too long", { ...GOOD, headLength: 65_536, bytes: new Uint8Array(70_000) }],
  ["stored bytes below 0", { ...GOOD, storedLength: -1 }],
  ["fewer bytes than it says", { ...GOOD, bytes: GOOD.bytes.subarray(1) }],
  ["no word about whether it is same-filled", { ...GOOD, sameFilled: undefined }],
  ["same-filled with stored bytes", { ...GOOD, sameFilled: true, codec: 0 }],
  ["same-filled by a codec", { ...GOOD, sameFilled: true, storedLength: 0 }],
  ["half a word that fills it", { ...GOOD, fill1: 2 ** 31 }],
  ["a word of the layer above that is none", { ...GOOD, aux2: Number.NaN }],
  ["bytes that are an array", { ...GOOD, bytes: [1, 2] }],
  ["a codec below 0", { ...GOOD, codec: -1 }],
  ["a length above 2^32", { ...GOOD, length: 2 ** 32 }],
  ["a stamp that is a fraction", { ...GOOD, stamp: 1.5 }],
  ["a stamp above 2^53", { ...GOOD, stamp: 2 ** 53 }],
  ["an end that is no number", { ...GOOD, expiresAt: Number.NaN }],
  ["an end that never is", { ...GOOD, expiresAt: Number.POSITIVE_INFINITY }],
];

export function misuseCases(kind: BackingKind): void {
  for (const [what, record] of BAD_RECORDS) {
    it(`EINVAL: ${what}`, async () => {
      await using(kind.open(), async (backing) => {
        // One that is good goes with it: neither may be written.
        const call = async (): Promise<unknown> => await backing.write([GOOD, record as StoredEntry]);
        await assert.rejects(call, { code: "EINVAL" });
        assert.equal(await backing.read(keyIn(GOOD)), null);
      });
    });
  }

  it("EINVAL: keys that are none", async () => {
    await using(kind.open(), async (backing) => {
      for (const key of [undefined, { k0: "1", k1: 0, prefix: NO_PREFIX }, { k0: 1, k1: 0 }]) {
        await assert.rejects(async () => await backing.read(key as BackingKey), { code: "EINVAL" });
        assert.throws(() => backing.has(key as BackingKey), { code: "EINVAL" });
        assert.throws(() => backing.delete(key as BackingKey), { code: "EINVAL" });
      }
    });
  });

  it("ECLOSED after close, which waits for what is under way and may be repeated", async () => {
    const backing = await kind.open();
    const writing = backing.write([GOOD]);
    await backing.close();
    assert.deepEqual(await writing, ["ok"]);
    await backing.close();
    const [outcome] = await backing.write([GOOD]);
    assert.ok(outcome instanceof ZbudError);
    assert.equal(outcome.code, "ECLOSED");
    await assert.rejects(backing.read(keyOf(1)), { code: "ECLOSED" });
    await assert.rejects(async () => await backing.clear(), { code: "ECLOSED" });
    await assert.rejects(backing.flush(), { code: "ECLOSED" });
    assert.throws(() => backing.has(keyOf(1)), { code: "ECLOSED" });
    assert.throws(() => backing.delete(keyOf(1)), { code: "ECLOSED" });
    backing.stats();
  });

  it("says whether it works synchronously, and does what it says", async () => {
    await using(kind.open(), (backing) => {
      if (backing.isSync) {
        assert.equal(backing.writeSync(GOOD), "ok");
        assert.deepEqual(backing.readSync(keyIn(GOOD)), recordOf(1, 1, 10));
        backing.delete(keyIn(GOOD));
        assert.equal(backing.readSync(keyIn(GOOD)), null);
      } else {
        assert.throws(() => backing.writeSync(GOOD), { code: "ENOTSUP" });
        assert.throws(() => backing.readSync(keyIn(GOOD)), { code: "ENOTSUP" });
      }
      return Promise.resolve();
    });
  });
}
