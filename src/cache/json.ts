import { show, ZbudError } from "../base/index.ts";

/** What is nested deeper is looked at with more care: it may be a cycle. */
const DEPTH_MAX = 64;

/** What `serializer: "v8"` brings back as it was. */
const KEPT_BY_V8: ReadonlySet<string> = new Set([
  "Map",
  "Set",
  "Date",
  "RegExp",
  "Number",
  "String",
  "Boolean",
  "BigInt",
  "ArrayBuffer",
  "DataView",
]);

/**
 * Whether JSON gives a value back as it is, as far as that is seen in passing. After false `checkKept` says for
 * sure.
 *
 * Every `set` of an object pays for it, so it makes no object, and looks at leaves where it meets them. What it does
 * not see costs as much again: properties whose key is a symbol, or that are not enumerable, and names beside the
 * elements of an array, but for those of a match of a regular expression.
 */
export function isPlain(value: object, depth: number): boolean {
  if (depth > DEPTH_MAX) return false;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) {
    for (const name in value) {
      const part = (value as Readonly<Record<string, unknown>>)[name];
      if (typeof part === "string" || typeof part === "boolean" || part === null) continue;
      if (typeof part === "number") {
        if (!Number.isFinite(part)) return false;
      } else if (typeof part === "object") {
        if (!isPlain(part, depth + 1)) return false;
      } else if (part !== undefined) return false;
    }
    return true;
  }
  if (prototype !== Array.prototype) return false;
  const list = value as readonly unknown[] & { readonly index?: unknown };
  for (let i = 0; i < list.length; i++) {
    const part = list[i];
    if (typeof part === "string" || typeof part === "boolean" || part === null) continue;
    if (typeof part === "number") {
      if (!Number.isFinite(part)) return false;
    } else if (typeof part !== "object" || !isPlain(part, depth + 1)) return false;
  }
  return list.index === undefined;
}

/** An object or array that is being looked through. */
interface Level {
  readonly object: object;
  /** Names of an object's properties; null: it is an array. */
  readonly names: readonly string[] | null;
  /** How many of its parts were begun. */
  begun: number;
}

/**
 * Makes sure that JSON gives a value back as it is, whatever that takes.
 *
 * @throws {ZbudError} `EINVAL` with what it is that JSON would change, where in the value, and what to do.
 */
export function checkKept(value: unknown): void {
  const levels: Level[] = [];
  // The same object twice is two equal ones later; within itself there is no end to it.
  const above = new Set<object>();
  let part = value;
  for (;;) {
    const problem = problemOf(part, levels, above);
    if (problem !== null) throw new ZbudError("EINVAL", problem);
    if (typeof part === "object" && part !== null) {
      levels.push({ object: part, names: Array.isArray(part) ? null : Object.keys(part), begun: 0 });
      above.add(part);
    }
    for (;;) {
      const level = levels.at(-1);
      if (level === undefined) return;
      const { object, names } = level;
      if (level.begun < (names ?? (object as unknown[])).length) {
        part = (object as Record<string, unknown>)[names?.[level.begun] ?? level.begun];
        level.begun++;
        // A property that is undefined is left out, and reads as undefined.
        if (part !== undefined || names === null) break;
      } else {
        levels.pop();
        above.delete(object);
      }
    }
  }
}

function problemOf(part: unknown, levels: readonly Level[], above: ReadonlySet<object>): string | null {
  switch (typeof part) {
    case "string":
    case "boolean":
      return null;
    case "number":
      return Number.isFinite(part) ? null : changed(pathOf(levels), String(part));
    case "bigint":
      return changed(pathOf(levels), `the BigInt ${show(part)}`);
    case "undefined":
      return changed(pathOf(levels), "undefined, or a hole in an array");
    case "object":
      if (part === null) return null;
      if (above.has(part)) return changed(pathOf(levels), "a cycle: it is an object that it is in");
      return problemOfObject(part, levels);
    default:
      return `JSON has nothing for ${pathOf(levels)} (${show(part)}), nor has serializer: "v8": leave it out`;
  }
}

/** What to say of an object that is neither a plain one nor an array; its parts are not looked at. */
function problemOfObject(object: object, levels: readonly Level[]): string | null {
  const prototype: object | null = Object.getPrototypeOf(object);
  // Of other realms as well: their Array.prototype is an array, and their Object.prototype ends a chain.
  if (Array.isArray(object) && Array.isArray(prototype)) {
    const { index } = object as { readonly index?: unknown };
    return index === undefined ? null : changed(pathOf(levels), "a match of a regular expression");
  }
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return null;
  const path = pathOf(levels);
  const tag = Object.prototype.toString.call(object).slice(8, -1);
  const kind = show(object);
  if (tag === "Promise") {
    return `${path} is a Promise that was not awaited, and neither JSON nor serializer: "v8" keeps one: await it first`;
  }
  if (ArrayBuffer.isView(object) || (KEPT_BY_V8.has(tag) && kind === tag)) return changed(path, kind);
  if (object instanceof Error) {
    return `JSON would lose ${path} (${kind}): store its message as text, or give the cache serializer: "v8", which keeps its name, message and stack`;
  }
  const what = kind === "Object" ? "an object with a prototype of its own" : kind;
  return `JSON would change ${path} (${what}), of which it keeps no class, nor does serializer: "v8": store a plain object or text, or give the cache a serializer of your own`;
}

function changed(path: string, what: string): string {
  return `JSON would change ${path} (${what}): give the cache serializer: "v8", which keeps it, or store something else`;
}

/** Where the part is that was begun last: `value.users[3].born`. */
function pathOf(levels: readonly Level[]): string {
  let path = "value";
  for (const { names, begun } of levels) {
    const name = names?.[begun - 1];
    if (name === undefined) path += `[${begun - 1}]`;
    else path += /^[\p{L}_$][\p{L}\d_$]*$/u.test(name) ? `.${name}` : `[${show(name)}]`;
  }
  return path.length > 300 ? `${path.slice(0, 300)}…` : path;
}
