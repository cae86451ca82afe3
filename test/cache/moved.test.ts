/** Entries that another thread moves to other rows while something is done with them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { removeTagged, TAG_BYTES, TAGS_MAX, TagLists } from "../../src/cache/tags.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { logDriver } from "../../src/drivers/log/index.ts";
import { Engine, entryAttributes } from "../../src/engine/index.ts";
import { W_HIGH_WATER } from "../../src/engine/table.ts";

const MAX_BYTES = 2 ** 21;
const COUNT = 2000;
const NONE = new Uint8Array(0);

/** An engine with entries that have these tags, of which three of four are gone, so that rows can be given up. */
function withTags(tags: TagLists, names: readonly string[]): Engine {
  const engine = new Engine({
    maxBytes: MAX_BYTES,
    averageBytes: 60,
    driver: logDriver,
    codec: "none",
    secondaryIndex: tags,
  });
  const attributes = entryAttributes();
  attributes.head = new Uint8Array(TAGS_MAX * TAG_BYTES);
  for (let id = 0; id < COUNT; id++) {
    attributes.headLength = tags.encode(names, attributes.head);
    const value = Uint8Array.from({ length: 60 }, (_, i) => (id * i) >> (i & 7));
    assert.equal(engine.put(id, 0, value, value.length, attributes, 0), "stored");
  }
  for (let id = 0; id < COUNT; id++) if (id % 4 !== 2) engine.remove(id, 0, NONE, 0);
  return engine;
}

describe("entries that move while a tag is deleted", () => {
  const kinds = {
    "are found in the lists of tags": [["a"], false],
    "are found by a search, where there are more tags than lists have room for": [[..."abcdefgh"], true],
  } as const;
  for (const [name, [names, isSearched]] of Object.entries(kinds)) {
    it(name, () => {
      const tags = new TagLists();
      const engine = withTags(tags, names);
      engine.visitSecondaryIndex(0, (table, at, rows) => {
        const found = { words: new Int32Array(0), count: 0 };
        assert.equal(tags.find(table, at, rows, tags.name("a"), found), !isSearched);
      });
      const { words } = engine.parts().shards[0];
      const rows = words[W_HIGH_WATER];
      const removeRow = engine.removeRow.bind(engine);
      let calls = 0;
      // What another thread may do between two removals.
      engine.removeRow = (...place) => {
        if (calls++ === 10) engine.resize(MAX_BYTES - 2 ** 16, 0);
        return removeRow(...place);
      };
      assert.equal(removeTagged(engine, tags, tags.name("a")), COUNT / 4);
      assert.ok(words[W_HIGH_WATER] < rows, "rows were given up");
      assert.equal(engine.size, 0);
      verify(engine);
      engine.close();
    });
  }
});
