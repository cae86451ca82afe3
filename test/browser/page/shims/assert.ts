/** What the tests use of node:assert/strict, for browsers. */

/** Thrown when something is not as it should be. */
export class AssertionError extends Error {
  readonly actual: unknown;
  readonly expected: unknown;

  constructor(message: string, actual?: unknown, expected?: unknown) {
    super(message);
    this.name = "AssertionError";
    this.actual = actual;
    this.expected = expected;
  }
}

type Message = string | Error | undefined;
type Expected = RegExp | ((error: unknown) => boolean) | (new (...args: never[]) => Error) | object;

function failWith(message: Message, what: string, actual?: unknown, expected?: unknown): never {
  if (message instanceof Error) throw message;
  throw new AssertionError(message === undefined ? what : `${message} (${what})`, actual, expected);
}

/** A value in a message, cut where it gets long. */
function text(value: unknown): string {
  let shown: string;
  try {
    shown = typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
  } catch {
    shown = Object.prototype.toString.call(value);
  }
  return shown !== undefined && shown.length > 300 ? `${shown.slice(0, 300)}…` : shown;
}

export function ok(value: unknown, message?: Message): asserts value {
  if (!value) failWith(message, `${text(value)} is not true`, value, true);
}

export function fail(message?: Message): never {
  return failWith(message, "failed");
}

export function equal(actual: unknown, expected: unknown, message?: Message): void {
  if (!Object.is(actual, expected)) {
    failWith(message, `${text(actual)} instead of ${text(expected)}`, actual, expected);
  }
}

export function notEqual(actual: unknown, expected: unknown, message?: Message): void {
  if (Object.is(actual, expected)) failWith(message, `${text(actual)} is what it must not be`, actual);
}

export function deepEqual(actual: unknown, expected: unknown, message?: Message): void {
  const where = difference(actual, expected, "", new Map());
  if (where !== null) failWith(message, where, actual, expected);
}

export function notDeepEqual(actual: unknown, expected: unknown, message?: Message): void {
  if (difference(actual, expected, "", new Map()) === null) failWith(message, "both are the same", actual);
}

export function match(string: string, pattern: RegExp, message?: Message): void {
  if (!pattern.test(string)) failWith(message, `${text(string)} does not match ${pattern}`, string, pattern);
}

export function doesNotMatch(string: string, pattern: RegExp, message?: Message): void {
  if (pattern.test(string)) failWith(message, `${text(string)} matches ${pattern}`, string, pattern);
}

export function throws(run: () => unknown, expected?: Expected | string, message?: Message): void {
  let thrown: { error: unknown } | undefined;
  try {
    run();
  } catch (error) {
    thrown = { error };
  }
  checkThrown(thrown, expected, message);
}

export function doesNotThrow(run: () => unknown, message?: Message): void {
  try {
    run();
  } catch (error) {
    failWith(message, `threw ${text(error)}`, error);
  }
}

export async function rejects(
  run: Promise<unknown> | (() => Promise<unknown>),
  expected?: Expected | string,
  message?: Message,
): Promise<void> {
  let thrown: { error: unknown } | undefined;
  try {
    await (typeof run === "function" ? run() : run);
  } catch (error) {
    thrown = { error };
  }
  checkThrown(thrown, expected, message);
}

function checkThrown(
  thrown: { error: unknown } | undefined,
  expected: Expected | string | undefined,
  given: Message,
): void {
  const message = typeof expected === "string" ? expected : given;
  if (thrown === undefined) failWith(message, "nothing was thrown");
  if (expected === undefined || typeof expected === "string") return;
  const { error } = thrown;
  if (expected instanceof RegExp) {
    match(String(error), expected, message);
    return;
  }
  if (typeof expected !== "function") {
    for (const [key, value] of Object.entries(expected)) {
      const found = (error as Record<string, unknown>)[key];
      if (value instanceof RegExp && typeof found === "string") match(found, value, message);
      else deepEqual(found, value, message ?? `the error's ${key}`);
    }
    return;
  }
  const isError = expected === Error || expected.prototype instanceof Error;
  const passes = isError
    ? error instanceof (expected as new () => Error)
    : (expected as (error: unknown) => boolean)(error) === true;
  if (!passes)
    failWith(message, `another error was thrown: ${text(error)} ${(error as Error)?.stack}`, error);
}

/** Where two values differ, or null. Prototypes count, as in the strict mode of Node's. */
function difference(a: unknown, b: unknown, path: string, seen: Map<object, unknown>): string | null {
  if (Object.is(a, b)) return null;
  const differs = `${path === "" ? "the value" : path} is ${text(a)} instead of ${text(b)}`;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return differs;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return `${differs}: another prototype`;
  if (seen.get(a) === b) return null;
  seen.set(a, b);
  if (a instanceof Date && a.getTime() !== (b as Date).getTime()) return differs;
  if (a instanceof RegExp && String(a) !== String(b)) return differs;
  if (a instanceof Error && (a.message !== (b as Error).message || a.name !== (b as Error).name))
    return differs;
  if (a instanceof ArrayBuffer) {
    return difference(new Uint8Array(a), new Uint8Array(b as ArrayBuffer), path, seen);
  }
  if (a instanceof Set) {
    const other = b as Set<unknown>;
    const isSame = (one: unknown) => (two: unknown) => difference(one, two, "", new Map()) === null;
    const isIn = (one: unknown): boolean => other.has(one) || [...other].some(isSame(one));
    return a.size === other.size && [...a].every(isIn) ? null : differs;
  }
  if (a instanceof Map) {
    const other = b as Map<unknown, unknown>;
    if (a.size !== other.size) return differs;
    for (const [key, value] of a) {
      const found = other.has(key)
        ? difference(value, other.get(key), `${path}[${text(key)}]`, seen)
        : differs;
      if (found !== null) return found;
    }
    return null;
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return differs;
  for (const key of keys) {
    if (!Object.hasOwn(b, key)) return `${path}.${key} is not to be there`;
    const found = difference(
      (a as Record<string, unknown>)[key],
      (b as Record<string, unknown>)[key],
      `${path}.${key}`,
      seen,
    );
    if (found !== null) return found;
  }
  return null;
}

const members: Record<string, unknown> = {
  AssertionError,
  ok,
  fail,
  equal,
  strictEqual: equal,
  notEqual,
  notStrictEqual: notEqual,
  deepEqual,
  deepStrictEqual: deepEqual,
  notDeepEqual,
  match,
  doesNotMatch,
  throws,
  doesNotThrow,
  rejects,
};
const assert: typeof ok & Record<string, unknown> = Object.assign(
  (value: unknown, message?: Message): asserts value => ok(value, message),
  members,
);
export default assert;
