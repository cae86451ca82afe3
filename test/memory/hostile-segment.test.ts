/** Files that somebody damaged, cut off, or wrote: an empty segment or a typed error, never a crash. */

import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { after, describe, it } from "node:test";
import { crc32, Prng, ZbudError } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { Segment, type SegmentHeader } from "../../src/memory/index.ts";
import { encodeSegmentHeader } from "../../src/memory/segment-header.ts";
import { PageStore } from "../../src/store/index.ts";
import { isCode } from "../support/is-code.ts";
import { openSegment, SharedFolder } from "./segments.ts";

type Description = Record<string, unknown>;

const HEADER_BYTES = 64;

const folder = new SharedFolder();
after(() => folder[Symbol.dispose]());

function open(path: string): boolean {
  const { segment, isNew } = openSegment({ name: path });
  segment.close();
  return isNew;
}

function openCache(path: string): CompressedCache<string> {
  return new CompressedCache<string>({ maxBytes: "2MiB", shared: path, tags: true, ttl: 1e9, shards: 2 });
}

function headerOf(path: string): SegmentHeader {
  const header = Segment.look(path);
  return typeof header === "object" && header !== null ? header : assert.fail(String(header));
}

function write(path: string, bytes: Uint8Array, at: number): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

/** Writes a header whose checksum is right. */
function forge(
  path: string,
  header: SegmentHeader,
  description: unknown,
  fileBytes: unknown = header.fileBytes,
): void {
  write(path, encodeSegmentHeader({ ...header, fileBytes, description } as SegmentHeader), 0);
}

/** Writes a header whose checksum is right, with any text for the description. */
function forgeText(path: string, header: SegmentHeader, text: string): void {
  const bytes = Buffer.concat([
    encodeSegmentHeader(header).subarray(0, HEADER_BYTES),
    Buffer.from(text, "latin1"),
  ]);
  bytes.writeUInt32LE(text.length, 12);
  bytes.writeUInt32LE(crc32(bytes.subarray(24)), 16);
  write(path, bytes, 0);
}

describe("a segment whose file is damaged", () => {
  it("every byte of its header turned over: empty, or another kind of file", () => {
    const path = folder.file("flipped");
    open(path);
    const { description } = headerOf(path);
    const length = HEADER_BYTES + JSON.stringify(description).length;
    for (let at = 0; at < length; at++) {
      for (const bits of [1 << (at & 7), 0xff]) {
        const [byte] = readFileSync(path).subarray(at);
        write(path, Uint8Array.of(byte ^ bits), at);
        if (at < 8) {
          assert.throws(() => open(path), isCode("EEXIST"), `byte ${at}`);
          write(path, Uint8Array.of(byte), at);
        } else if (at >= 20 && at < 24) {
          assert.equal(open(path), false, "these bytes are nothing's");
        } else {
          assert.equal(Segment.look(path), "damaged", `byte ${at}`);
          assert.equal(open(path), true, `byte ${at}`);
        }
      }
    }
  });

  it("a cache's: every byte is looked at", () => {
    const path = folder.file("flipped-cache");
    const cache = openCache(path);
    cache.set("a", "b");
    cache.close();
    const bytes = readFileSync(path).subarray(
      0,
      HEADER_BYTES + JSON.stringify(headerOf(path).description).length,
    );
    for (const [at, byte] of bytes.entries()) {
      if (at >= 20 && at < 24) continue;
      write(path, Uint8Array.of(byte ^ (1 << (at & 7))), at);
      assert.equal(Segment.look(path), at < 8 ? "foreign" : "damaged", `byte ${at}`);
      write(path, Uint8Array.of(byte), at);
    }
    const again = openCache(path);
    assert.equal(again.get("a"), "b");
    again.close();
    write(path, Uint8Array.of(bytes[70] ^ 1), 70);
    const empty = openCache(path);
    assert.equal(empty.get("a"), undefined);
    empty.close();
  });

  it("cut off at every page, and between: empty", () => {
    const path = folder.file("cut");
    open(path);
    const { fileBytes } = headerOf(path);
    assert.equal(statSync(path).size, fileBytes);
    const cuts = [1, 7, 8, 9, 63, 64, 65, 100, 4095, 4097, 131_071, fileBytes - 1];
    for (let at = 0; at < fileBytes; at += 4096) cuts.push(at);
    for (const cut of cuts) {
      truncateSync(path, cut);
      if (cut > 0 && cut < 8) assert.throws(() => open(path), isCode("EEXIST"), "not ours any more");
      else assert.equal(open(path), true, `cut off at ${cut}`);
      if (cut > 0 && cut < 8) truncateSync(path, 0);
      assert.equal(open(path), cut > 0 && cut < 8, `after a cut at ${cut}`);
    }
    truncateSync(path, fileBytes + 1);
    assert.equal(open(path), false, "longer than it has to be");
  });

  it("a cache and a store cut off: empty, and in order", async () => {
    const path = folder.file("cut-cache");
    openCache(path).close();
    const { size } = statSync(path);
    for (const cut of [0, 64, 4096, 131_072, 196_608, size / 2, size - 4096, size - 1]) {
      const full = openCache(path);
      full.set("a", "b");
      full.close();
      truncateSync(path, Math.floor(cut));
      const cache = openCache(path);
      assert.equal(cache.size, 0, `cut off at ${cut}`);
      cache.set("c", "d");
      assert.equal(cache.get("c"), "d");
      cache.close();
    }
    const storePath = folder.file("cut-store");
    await new PageStore({ maxBytes: "1MiB", shared: storePath }).close();
    truncateSync(storePath, 200_000);
    const store = new PageStore({ maxBytes: "1MiB", shared: storePath });
    assert.equal(store.store(1, new Uint8Array(4096)), "stored");
    await store.close();
  });
});

describe("a segment whose description somebody wrote", () => {
  const path = folder.file("forged");
  open(path);
  const header = headerOf(path);
  const right = header.description as unknown as Description;
  const areas = right.areas as { offset: number; bytes: number; lockable: boolean }[];
  const area = (number: number, changed: object): Description => ({
    ...right,
    areas: areas.map((each, i) => (i === number ? { ...each, ...changed } : each)),
  });
  const shared = (changed: object): Description => ({
    ...right,
    shared: { ...(right.shared as object), ...changed },
  });

  it("what is right is joined", () => {
    forge(path, header, right);
    assert.equal(open(path), false);
  });

  const NUMBERS = [-1, 0.5, 1e300, 2 ** 53, null, "1", [], {}, true];
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  const CASES: Record<string, unknown[]> = {
    "another kind of JSON": [null, 1, "text", [], true, {}],
    "a kind, a layout, a boot id that are no text": ["kind", "layout", "boot"].flatMap((name) =>
      [1, null, {}, ["test"]].map((value) => ({ ...right, [name]: value })),
    ),
    "a process that is no number": ["1", null, 0.5, {}].map((pid) => ({ ...right, pid })),
    "options of other types": [null, 1, [], { a: {} }, { a: [1] }].map((agreement) => ({
      ...right,
      agreement,
    })),
    "no areas": [null, 1, {}, "areas", [null], [1], [[]], [{}]].map((value) => ({ ...right, areas: value })),
    "more areas than there can be": [{ ...right, areas: Array(9000).fill(0) }],
    "an offset": [
      ...NUMBERS,
      0,
      1,
      65_536,
      areas[0].offset + 1,
      areas[0].offset + 4096,
      header.fileBytes,
      2 ** 40,
    ].map((offset) => area(0, { offset })),
    "areas that overlap": [area(1, { offset: areas[0].offset }), { ...right, areas: [areas[1], areas[0]] }],
    "a length": [...NUMBERS, 0, 2 ** 33, 2 ** 52, header.fileBytes, areas[0].bytes + 65_536].map((bytes) =>
      area(0, { bytes }),
    ),
    "the last area behind the file's end": [65_537, header.fileBytes, 2 ** 45].map((bytes) =>
      area(1, { bytes }),
    ),
    "a kind of area": [0, null, "true", {}].map((lockable) => area(0, { lockable })),
    "a table of threads": [
      null,
      1,
      {},
      [],
      [0],
      [0, 0, 0],
      ...NUMBERS.map((at) => [0, at]),
      [0, 4096],
      [0, 2 ** 40],
    ]
      .concat(
        NUMBERS.map((number) => [number, 0]),
        [
          [2, 0],
          [1e9, 0],
        ],
      )
      .map((threads) => ({ ...right, threads })),
    "a buffer that is none": [...NUMBERS, 2, 2 ** 31].flatMap((number) => [
      shared({ table: { $buffer: number } }),
      shared({ table: { $memory: number } }),
      shared({ deep: [{ deep: { $buffer: number } }] }),
    ]),
    "a memory that WebAssembly cannot reach": [shared({ table: { $memory: 1 } })],
    "a number that is none": [shared({ table: { $number: 1 } })],
    "nothing shared": [null, 1, "text", []].map((value) => ({ ...right, shared: value })),
    "nested deep": [17, 5000].map((depth) => shared({ deep: nested(depth) })),
  };
  for (const [what, descriptions] of Object.entries(CASES)) {
    it(`${what}: empty`, () => {
      for (const [number, description] of descriptions.entries()) {
        forge(path, header, description);
        // JSON has no such thing as what some of these are.
        const text = JSON.stringify(description)?.slice(0, 300);
        assert.equal(Segment.look(path), "damaged", `case ${number}: ${text}`);
        assert.equal(open(path), true, `case ${number}: ${text}`);
      }
    });
  }

  it("a length of the file that it has not, and a time that is none: empty", () => {
    for (const fileBytes of [
      -1,
      0,
      1,
      0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      2 ** 60,
      header.fileBytes + 1,
    ]) {
      forge(path, header, right, fileBytes);
      assert.equal(open(path), true, `${fileBytes}`);
    }
    forge(path, { ...header, createdAt: Number.NaN }, right);
    assert.equal(open(path), true);
  });

  it("a text that is no JSON: empty", () => {
    for (const text of ["", "{", "\xff\xfe", '{"kind":"test"', "[".repeat(50_000), '{"a":'.repeat(20_000)]) {
      forgeText(path, header, text);
      assert.equal(open(path), true, text.slice(0, 20));
    }
  });

  it("what a cache and a store are made of, changed at random: typed errors", async () => {
    const prng = new Prng(5);
    const kinds = { cache: () => openCache(folder.file("random-cache")).close(), store: openStore };
    const seen: Record<string, number> = {};
    for (const [kind, openKind] of Object.entries(kinds)) {
      const file = folder.file(`random-${kind}`);
      for (let round = 0; round < 150; round++) {
        writeFileSync(file, "");
        await openKind();
        const found = headerOf(file);
        const description = structuredClone(found.description) as unknown as Description;
        changeSomething(description.shared, prng);
        forge(file, found, description);
        let outcome = "opened";
        try {
          await openKind();
        } catch (error) {
          assert.ok(
            error instanceof ZbudError,
            `round ${round}: ${String(error)} ${JSON.stringify(description.shared)}`,
          );
          outcome = error.code;
        }
        seen[outcome] = (seen[outcome] ?? 0) + 1;
      }
    }
    assert.ok(seen.EBADMSG > 10, JSON.stringify(seen));
  });

  async function openStore(): Promise<void> {
    await new PageStore({ maxBytes: "1MiB", shared: folder.file("random-store") }).close();
  }
});

/** Puts something else in the place of one value. */
function changeSomething(value: unknown, prng: Prng): void {
  let holder = value as Record<string, unknown>;
  for (;;) {
    const names = Object.keys(holder);
    const name = names[prng.below(names.length)];
    const inner = holder[name];
    if (typeof inner === "object" && inner !== null && Object.keys(inner).length > 0 && prng.below(8) > 0) {
      holder = inner as Record<string, unknown>;
      continue;
    }
    const others = [null, -1, 0, 1, 0.5, 7, 4096, 2 ** 31, 2 ** 40, "text", [], {}, true, { $buffer: 0 }];
    holder[name] = others[prng.below(others.length)];
    return;
  }
}
