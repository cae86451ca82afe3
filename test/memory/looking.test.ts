/** Who only looks at memory, as `zbud top` does, leads nothing; who joins changes no limit. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, describe, it } from "node:test";
import { lookingOnly, PLACES } from "../../src/base/index.ts";
import { createPool, registerBuiltIns } from "../../src/drivers/index.ts";
import { Engine } from "../../src/engine/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { isCode } from "../support/is-code.ts";
import { openSegment, SharedFolder } from "./segments.ts";

registerBuiltIns();
const folder = new SharedFolder();
after(() => folder[Symbol.dispose]());

describe("one who only looks", () => {
  it("is never the first, on whatever place, and another one is", () => {
    const name = folder.file("first");
    const [one, two] = [openSegment({ name }), openSegment({ name })];
    assert.deepEqual(
      [one, two].map((each) => each.registry.isFirst(each.member)),
      [true, false],
    );
    one.registry.leave(one.member);
    one.segment.close();
    const looker = lookingOnly(() => openSegment({ name }));
    assert.ok(looker.member % PLACES < two.member % PLACES, "it has the place before");
    assert.deepEqual(
      [looker, two].map((each) => each.registry.isFirst(each.member)),
      [false, true],
    );
    looker.registry.leave(looker.member);
    looker.segment.close();
    const three = openSegment({ name });
    assert.deepEqual(
      [three, two].map((each) => each.registry.isFirst(each.member)),
      [true, false],
    );
    for (const each of [two, three]) each.segment.close();
  });

  it("gives nothing back by itself", (t) => {
    const options = { maxPages: 4, shared: folder.file("pool") };
    createPool("zbud", options).close();
    const timers = t.mock.method(globalThis, "setInterval");
    const looker = lookingOnly(() => createPool("zbud", options));
    assert.equal(timers.mock.callCount(), 0);
    const pool = createPool("zbud", options);
    assert.equal(timers.mock.callCount(), 1);
    for (const each of [looker, pool]) each.close();
  });
});

describe("a store with a range that processes share", () => {
  const options = { maxBytes: { min: "8MiB", max: "64MiB" }, whenFull: "drop" } as const;

  it("who makes it sets its limit, and who joins leaves that as it is", async (t) => {
    const shared = folder.file("range");
    const resize = t.mock.method(Engine.prototype, "resize");
    const one = new PageStore({ ...options, shared });
    assert.equal(resize.mock.callCount(), 1);
    const two = new PageStore({ ...options, shared });
    assert.equal(resize.mock.callCount(), 1);
    await one.close();
    await two.close();
  });

  it("one whose least is too little leaves no memory behind that refuses the right one", async () => {
    const shared = folder.file("too-little");
    const wrong = { ...options, maxBytes: { min: "1MiB", max: "256MiB" }, shared } as const;
    assert.throws(() => new PageStore(wrong), isCode("EINVAL", "give a higher min"));
    assert.equal(existsSync(shared), false);
    await new PageStore({ ...options, shared }).close();
  });
});
