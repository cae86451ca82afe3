/** Bugs in what several machines tell each other through a server. */

import type { PlantedBug } from "./planted-bug.ts";

const JOINED = "src/adapters/redis/joined-store.ts";
const TIER = "src/cache/coherent-tier.ts";
const HEARING = "src/cache/hearing.ts";
const LINK = "src/adapters/redis/link.ts";
const COMMANDS = "src/adapters/redis/commands.ts";
const BACKING = "src/adapters/redis/redis-backing.ts";

export const MACHINE_BUGS: readonly PlantedBug[] = [
  {
    name: "machines: some of what the server tells is dropped",
    file: JOINED,
    find: 'if (told.kind === "key") listener.key(told.prefix);',
    replace: 'if (told.kind === "key" && told.prefix.length === 5) listener.key(told.prefix);',
  },
  {
    name: "machines: while an own write is under way, what is told counts as that",
    file: TIER,
    find: "await this.#untilSet(name, end);",
    replace: "if (this.#store.isChanging(name, () => undefined)) return true;",
  },
  {
    name: "machines: in a cluster, what is answered while nobody tells is believed",
    file: TIER,
    find: "return isOneServer || ttlMs > 0",
    replace: "return ttlMs >= 0 || isOneServer",
  },
  {
    name: "machines: a line that is back is trusted without a comparison",
    file: HEARING,
    find: "distrust(this.#engine, versionsOf(this.#engine));\n        Atomics.store(words, HEARS, 1);",
    replace: "Atomics.store(words, HEARS, 1);",
  },
  {
    name: "machines: what was there when a line broke is served as long as what came later",
    file: HEARING,
    find: "distrust(this.#engine, versionsOf(this.#engine));\n        if (graceMs > 0) this.#slide(graceMs);",
    replace: "if (graceMs > 0) this.#slide(graceMs);",
  },
  {
    name: "machines: a grace is for all that is in memory",
    file: HEARING,
    find: "beginGrace(this.#engine);",
    replace: "",
  },
  {
    name: "machines: without a line, time in which the process is stopped does not count",
    file: HEARING,
    find: "while (marks[0].at < now + aheadMs - ms) {",
    replace: "while (marks.length > 3) {",
  },
  {
    name: "machines: without a line, it does not count how long a load took",
    file: TIER,
    find: "return this.#listens || performance.now() - lease.at <= heartbeatMs + timeoutMs;",
    replace: "return heartbeatMs + timeoutMs > 0;",
  },
  {
    name: "machines: a write that was given up counts when it comes",
    file: COMMANDS,
    find: 'if redis.call("sismember",KEYS[2],ARGV[1])==1 then return 0 end ',
    replace: "",
  },
  {
    name: "machines: what had no answer when its connection broke is sent again",
    file: LINK,
    find: '{ maxRetriesPerRequest: 0, keyPrefix: "" }',
    replace: '{ keyPrefix: "" }',
  },
  {
    name: "machines: what a cluster did not answer is sent again",
    file: LINK,
    find: "retryDelayOnFailover: 0",
    replace: "retryDelayOnFailover: 1",
  },
  {
    name: "machines: a master that has no keys yet is not listened to",
    file: LINK,
    find: "const empty = isAll ? ",
    replace: "const empty = !isAll || isAll ? ",
  },
  {
    name: "machines: a set that a half moved slot refused leaves what was there before",
    file: BACKING,
    find: "if (!isHalfMoved(error)) throw error;\n      return false;",
    replace: "if (!isHalfMoved(error)) throw error;\n      return true;",
  },
  {
    name: "machines: nobody waits for the answer to an ASKING",
    file: LINK,
    find: "catchAsking(node);",
    replace: "",
  },
  {
    name: "machines: a deletion whose version moves to another server is one anew",
    file: "src/adapters/redis/service-keys.ts",
    find: "[this.#drawn, this.#told].some",
    replace: "[this.#drawn].some",
  },
  {
    name: "machines: a deletion of a tag elsewhere is missed",
    file: JOINED,
    find: "void this.#confirm(key, listener, () => listener.tag(told.tag));",
    replace: "continue;",
  },
  {
    name: "machines: what is loaded is stored whoever has the lock",
    file: COMMANDS,
    find: `'if redis.call("get",KEYS[2])~=ARGV[1] then return 0 end ' +`,
    replace: "'' +",
  },
  {
    name: "machines: a set does not break the lock of its key",
    file: COMMANDS,
    find: `'if KEYS[3] then redis.call("unlink",KEYS[3]) end return 1'`,
    replace: `"return 1"`,
  },
  {
    name: "machines: a delete does not break the lock of its key",
    file: COMMANDS,
    find: 'this.#link.send(key, ["unlink", key, lock])',
    replace: 'this.#link.send(key, ["unlink", key])',
  },
  {
    name: "machines: what was loaded before a clear elsewhere is stored under the version of that",
    file: BACKING,
    find: "[ofAll, ...found].some(",
    replace: "found.some(",
  },
  {
    name: "machines: a set may survive a deletion of its tag that came after it",
    file: BACKING,
    find: "const isDeleted = since !== null && tags.some(",
    replace: "const isDeleted = since === undefined && tags.some(",
  },
];
