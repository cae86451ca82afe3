/** The table of docs/from-lru-cache.md against the types of the lru-cache that is installed, and against the cache. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { CompressedCache } from "../../src/cache/index.ts";

interface Row {
  readonly name: string;
  readonly here: string;
}

const lruCache = createRequire(import.meta.url).resolve("lru-cache");
const types = readFileSync(join(dirname(lruCache), "index.d.ts"), "utf8");
const page = readFileSync(new URL("../../docs/from-lru-cache.md", import.meta.url), "utf8");

/** The text between the line that begins so and the bracket that ends it in the same column. */
function block(start: RegExp): string {
  const found = start.exec(types);
  assert.ok(found, `${start} in lru-cache's types`);
  const end = new RegExp(`^${found[1]}\\}`, "m");
  const rest = types.slice(found.index + found[0].length);
  return rest.slice(0, end.exec(rest)?.index).replace(/\/\*.*?\*\//gs, "");
}

/** Names of its members, which stand a step further in. */
function members(text: string, indent: string): string[] {
  const member = /^(?:static |get |readonly )*(\[Symbol\.\w+\]|\w+)\??[(:<]/;
  return text
    .split("\n")
    .filter((line) => line.startsWith(indent) && line[indent.length] !== " ")
    .map((line) => member.exec(line.slice(indent.length))?.[1].replace(/[[\]]/g, ""))
    .filter((name): name is string => name !== undefined && name !== "constructor");
}

function optionsOf(name: string): string[] {
  return members(block(new RegExp(`^( *)interface ${name}\\b.*\\{$`, "m")), "        ");
}

/** Rows of the table whose head begins so. */
function* rows(head: string): Generator<Row> {
  const at = page.indexOf(`| ${head} | here |`);
  assert.ok(at > 0, head);
  for (const line of page.slice(at).split("\n").slice(2)) {
    const [, names, here] = /^\| (.*?) \| (same|differs|no) \|/.exec(line) ?? [];
    if (names === undefined) return;
    for (const match of names.matchAll(/`([\w.]+)`/g))
      if (!/\(of `?$/.test(names.slice(0, match.index))) yield { name: match[1], here };
  }
}

const options = [...rows("option")];
const methods = [...rows("method, property")];
const inClass = members(block(/^()export declare class LRUCache\b.*\{$/m), "    ");
const inOptions = ["OptionsBase", "FetchOptions", "SetOptions"].flatMap(optionsOf);

describe("docs/from-lru-cache.md and lru-cache", () => {
  it("each option has a row, and each method and property", () => {
    assert.ok(inOptions.length > 25 && inClass.length > 40, `${inOptions.length}, ${inClass.length}`);
    const named = options.map(({ name }) => name);
    assert.deepEqual(named.toSorted(), [...new Set(inOptions)].toSorted());
    const ofOptions = optionsOf("OptionsBase");
    const own = [...new Set(inClass)].filter((name) => !ofOptions.includes(name));
    assert.deepEqual(methods.map(({ name }) => name).toSorted(), own.toSorted());
  });

  it("options are there or refused with what to use, as it says", () => {
    const perCall = ["forceRefresh", "signal"];
    for (const { name, here } of options) {
      if (perCall.includes(name)) continue;
      const message = messageOf(() => new CompressedCache({ maxBytes: "1MiB", [name]: {} }));
      if (here !== "no") assert.match(message, new RegExp(`^${name} must be`));
      else assert.match(message, new RegExp(`^unknown option "${name}" of a cache: (?!did you mean)`));
    }
  });

  it("methods and properties are there or not, as it says", () => {
    for (const { name, here } of methods) {
      const key =
        name === "Symbol.iterator"
          ? Symbol.iterator
          : name === "Symbol.toStringTag"
            ? Symbol.toStringTag
            : name;
      assert.equal(key in CompressedCache.prototype, here !== "no", name);
    }
  });
});

function messageOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    return (error as Error).message;
  }
  return "taken";
}
