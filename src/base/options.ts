import { show, ZbudError } from "./errors.ts";

const SIGNAL = ["signal"];

/**
 * Reads an integer option.
 *
 * @throws {ZbudError} `EINVAL` naming the option, its value and the range, if it is not an integer in
 *   [low, high].
 */
export function integerOption(name: string, value: unknown, low: number, high: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
    throw new ZbudError("EINVAL", `${name} must be an integer from ${low} to ${high}, not ${show(value)}`);
  }
  return value;
}

/**
 * Reads an option that is true or false.
 *
 * @throws {ZbudError} `EINVAL` naming the option and its value, if it is neither.
 */
export function flagOption(name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new ZbudError("EINVAL", `${name} must be true or false, not ${show(value)}`);
}

/**
 * Reads the option `shared` of what may have a name.
 *
 * @returns the value; whether a name can be one is for whoever opens it.
 * @throws {ZbudError} `EINVAL` if it is neither true nor false nor text.
 */
export function sharedOption(value: unknown): boolean | string {
  if (typeof value === "boolean" || typeof value === "string") return value;
  throw new ZbudError("EINVAL", `shared must be true, false or a name such as "app", not ${show(value)}`);
}

/**
 * Reads an option that is one of a few names.
 *
 * @throws {ZbudError} `EINVAL` naming the option, its value and the names that there are, if it is none of them.
 */
export function choiceOption<Choice extends string>(
  name: string,
  value: unknown,
  choices: readonly Choice[],
): Choice {
  const chosen = choices.find((choice) => choice === value);
  if (chosen !== undefined) return chosen;
  const known = choices.map(show);
  const last = known.pop();
  const list = known.length === 0 ? last : `${known.join(", ")} or ${last}`;
  throw new ZbudError("EINVAL", `${name} must be ${list}, not ${show(value)}`);
}

/**
 * Reads the option `clock`.
 *
 * @param preset - taken if it is undefined; by default the computer's clock, looked up at each use, since whoever
 *   fakes the time replaces it and puts it back.
 * @throws {ZbudError} `EINVAL` if it is no function.
 */
export function clockOption(clock: unknown, preset: () => number = () => Date.now()): () => number {
  if (clock === undefined) return preset;
  if (typeof clock === "function") return clock as () => number;
  throw new ZbudError("EINVAL", `clock must be a function that gives milliseconds, not ${show(clock)}`);
}

/**
 * Makes sure that options are an object with known names only. What is undefined counts as absent, whatever its name.
 *
 * @param owner - what the options are of, for the message: `"a cache"`.
 * @param known - the names that there are, the most usual one first.
 * @param foreign - by names of other libraries' options: what to do instead.
 * @throws {ZbudError} `EINVAL` naming an option that there is not, and the nearest that there is.
 */
export function checkNames(
  owner: string,
  options: unknown,
  known: readonly string[],
  foreign?: Readonly<Record<string, string>>,
): void {
  if (typeof options !== "object" || options === null) {
    throw new ZbudError(
      "EINVAL",
      `options of ${owner} must be an object such as { ${known[0]}: … }, not ${show(options)}`,
    );
  }
  // Inherited ones are read as well.
  for (const name in options) {
    if (!known.includes(name) && (options as Record<string, unknown>)[name] !== undefined) {
      throw unknownOption(owner, name, known, foreign);
    }
  }
}

/** The error for an option that there is not. */
function unknownOption(
  owner: string,
  name: string,
  known: readonly string[],
  foreign: Readonly<Record<string, string>> = {},
): ZbudError {
  const nearest = nearestOf(name, known);
  let hint = `; known: ${known.join(", ")}`;
  if (Object.hasOwn(foreign, name)) hint = `: ${foreign[name]}`;
  else if (nearest !== undefined) hint = `: did you mean ${nearest}?`;
  return new ZbudError("EINVAL", `unknown option ${show(name)} of ${owner}${hint}`);
}

/** The known name that differs in the fewest letters, if those are few. */
function nearestOf(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = 2 + Math.floor(name.length / 4);
  for (const each of known) {
    const distance = editDistance(name.toLowerCase(), each.toLowerCase());
    if (distance < least) {
      least = distance;
      nearest = each;
    }
  }
  return nearest;
}

/** Letters to put in, take out or change to make one of the other. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(row[j + 1] + 1, next[j] + 1, row[j] + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}

/**
 * The signal among options that have nothing else.
 *
 * @throws {ZbudError} `EINVAL` if they have, or it is none.
 */
export function signalOption(owner: string, options: unknown): AbortSignal | undefined {
  checkNames(owner, options, SIGNAL);
  const { signal } = options as { readonly signal?: AbortSignal };
  checkSignal(signal);
  return signal;
}

/** @throws {ZbudError} `EINVAL` if it is neither an `AbortSignal` nor missing. */
export function checkSignal(signal: unknown): void {
  if (signal === undefined) return;
  if (typeof (signal as Partial<AbortSignal> | null)?.throwIfAborted === "function") return;
  throw new ZbudError(
    "EINVAL",
    `signal must be an AbortSignal, such as new AbortController().signal, not ${show(signal)}`,
  );
}
