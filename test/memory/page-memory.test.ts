/** Where page bytes come from, and where they go back to. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isSharedBuffer } from "../../src/base/index.ts";
import { createPageMemory, threadsMemory } from "../../src/memory/index.ts";
import { SHARING } from "../contracts/sharing.ts";
import { isCode } from "../support/is-code.ts";

describe("page memory", () => {
  for (const shared of SHARING) {
    describe(shared ? "shared" : "not shared", () => {
      it("gives at least the pages asked for, and they can be touched to the last byte", () => {
        for (const pageSize of [64, 3328, 4096, 2 ** 20]) {
          const memory = createPageMemory(pageSize, 20, shared ? threadsMemory : null);
          assert.equal(isSharedBuffer(memory.buffer), shared);
          for (const count of [1, 2, 3, 20]) {
            const committed = memory.commit(count);
            assert.ok(committed >= count && committed <= 20, `${committed} pages for ${count}`);
            new Uint8Array(memory.buffer, (committed - 1) * pageSize, pageSize).fill(1);
          }
          memory.close();
        }
      });

      it("keeps what lies in front when it grows, and when the end is given back", () => {
        const memory = createPageMemory(4096, 1024, shared ? threadsMemory : null);
        memory.commit(10);
        const view = new Uint8Array(memory.buffer, 0, 10 * 4096).fill(7);
        memory.commit(1024);
        assert.ok(memory.trim(10) >= 10);
        assert.equal(view.length, 10 * 4096);
        assert.ok(view.every((byte) => byte === 7));
        memory.commit(1024);
        assert.ok(view.every((byte) => byte === 7));
        memory.close();
      });

      it("asking for less than there is changes nothing", () => {
        const memory = createPageMemory(4096, 16, shared ? threadsMemory : null);
        const committed = memory.commit(16);
        assert.equal(memory.commit(1), committed);
        assert.equal(memory.commit(16), 16);
        memory.close();
      });
    });
  }

  it("trims what is not shared", () => {
    const memory = createPageMemory(4096, 4096, null);
    memory.commit(4096);
    assert.equal(memory.buffer.byteLength, 4096 * 4096);
    assert.equal(memory.trim(3), 3);
    assert.equal(memory.buffer.byteLength, 3 * 4096);
    assert.equal(memory.trim(0), 0);
    assert.equal(memory.buffer.byteLength, 0);
    memory.close();
  });

  it("grows in steps, so that most pages need no call to the system", () => {
    const memory = createPageMemory(4096, 2 ** 16, null);
    let grown = 0;
    let committed = 0;
    for (let count = 1; count <= 2 ** 16; count++) {
      const before = memory.buffer.byteLength;
      committed = memory.commit(count);
      if (memory.buffer.byteLength !== before) grown++;
    }
    assert.equal(committed, 2 ** 16);
    assert.ok(grown < 200, `${grown} calls for 65536 pages`);
    memory.close();
  });

  it("never reaches past its maximum", () => {
    const memory = createPageMemory(3328, 7, null);
    assert.equal(memory.commit(7), 7);
    assert.equal(memory.buffer.byteLength, 7 * 3328);
    assert.ok(memory.commit(8) < 8, "there is no eighth page");
    assert.equal(memory.buffer.byteLength, 7 * 3328);
    memory.close();
  });

  it("ENOMEM for a range of addresses that no system has", () => {
    for (const shared of SHARING) {
      assert.throws(
        () => createPageMemory(2 ** 20, 2 ** 40, shared ? threadsMemory : null),
        isCode("ENOMEM", "maxPages"),
      );
    }
  });
});
