/** What `console.log` shows of page stores and backing stores. */

import assert from "node:assert/strict";
import { it } from "node:test";
import { inspect } from "node:util";
import { FileBacking, KeyvBacking, MemoryBacking } from "../../src/backing/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { recordOf } from "../backing/records.ts";
import { freshPath } from "../support/fresh-path.ts";

it("a page store says how many pages it holds in how much, and when it is closed", async () => {
  const backing = new MemoryBacking();
  const store = new PageStore({ maxBytes: "2MiB", backing });
  for (let i = 0; i < 1234; i++) store.store(i, new Uint8Array(4096).fill(i));
  assert.match(
    inspect(store),
    /^PageStore: 1,234 pages of 4 KiB in [\d.]+ [KM]iB of at most 2 MiB; backing store: memory$/,
  );
  assert.equal(String(store), inspect(store));
  await store.close();
  assert.equal(inspect({ store }), "{ store: PageStore (closed) }");
  const alone = new PageStore({ maxBytes: 0 });
  assert.equal(String(alone), "PageStore without memory");
  await alone.close();
});

it("a backing store says how many records it holds in how much, and when it is closed", async () => {
  const path = freshPath();
  const file = await FileBacking.open(path, { maxBytes: "1MiB" });
  const memory = new MemoryBacking({ maxBytes: "1GiB" });
  const keyv = new KeyvBacking({ store: new Map(), namespace: "pages" });
  for (const backing of [file, memory, keyv]) {
    assert.deepEqual(await backing.write([recordOf(1, 1, 2000), recordOf(2, 1, 2000)]), ["ok", "ok"]);
  }
  assert.match(inspect(file), /^FileBacking ".*": 2 records in [\d.]+ KiB of at most [\d.]+ [KM]iB$/);
  assert.ok(inspect(file).includes(path));
  assert.match(inspect(memory), /^MemoryBacking: 2 records in [\d.]+ KiB of at most 1 GiB$/);
  assert.equal(inspect(new MemoryBacking()), "MemoryBacking: 0 records in 0 B");
  assert.equal(inspect(keyv), 'KeyvBacking "pages": 0 B under way');
  for (const backing of [file, memory, keyv]) {
    await backing.close();
    assert.match(inspect(backing), /^\w+Backing( "[^"]*")? \(closed\)$/);
    assert.equal(String(backing), inspect(backing));
  }
});
