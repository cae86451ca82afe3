import { ZbudError } from "../base/index.ts";
import type { Hello, PlayerState, ShownDecision, ShownEntries, ShownKey, Tick, User } from "./types.ts";

/** What is more than a viewer's page or a terminal shows is no viewer's. */
const TITLE_MAX = 4096;
const NAME_MAX = 256;
const COUNTERS_MAX = 10_000;
const LIST_MAX = 2 ** 16;

/**
 * What a server says it is: only what has the form of it, and nothing else.
 *
 * @throws {ZbudError} `EBADMSG`.
 */
export function checkHello(value: unknown): Hello {
  const { title, pages, player, keys } = membersOf(value, "greeting");
  if (typeof pages !== "boolean" || typeof player !== "boolean" || typeof keys !== "boolean")
    throw malformed("greeting");
  return { title: text(title, TITLE_MAX), pages, player, keys };
}

/** What a server says its counters are. Throws as {@link checkHello}. */
export function checkTick(value: unknown): Tick {
  const tick = membersOf(value, "figures");
  const { at, counters, histograms, texts, users, entries, evictedFrom, decisions, player } = tick;
  return {
    at: number(at),
    counters: named(counters, number),
    histograms: named(histograms, numbers),
    texts: named(texts, (words) => text(words, TITLE_MAX)),
    users: users === null ? null : listOf(users).map(checkUser),
    entries: entries === null ? null : checkEntries(entries),
    evictedFrom: numbers(evictedFrom),
    decisions: listOf(decisions).map(checkDecision),
    player: player === null ? null : checkPlayer(player),
  };
}

function checkDecision(value: unknown): ShownDecision {
  const { at, text: words } = membersOf(value, "decision");
  return { at: number(at), text: text(words, TITLE_MAX) };
}

function checkUser(value: unknown): User {
  const { pid, threads } = membersOf(value, "user");
  return { pid: number(pid), threads: number(threads) };
}

function checkEntries(value: unknown): ShownEntries {
  const { counted, sizes, ages, earlier, raw, keys } = membersOf(value, "entries");
  return {
    counted: number(counted),
    sizes: numbers(sizes),
    ages: numbers(ages),
    earlier: number(earlier),
    raw: number(raw),
    keys: keys === null ? null : listOf(keys).map(checkKey),
  };
}

function checkKey(value: unknown): ShownKey {
  const { key, bytes } = membersOf(value, "key");
  return { key: text(key, NAME_MAX), bytes: number(bytes) };
}

function checkPlayer(value: unknown): PlayerState {
  const { playing, speed, position, length, last, mismatches } = membersOf(value, "player");
  if (typeof playing !== "boolean") throw malformed("player");
  return {
    playing,
    speed: number(speed),
    position: number(position),
    length: number(length),
    last: text(last, TITLE_MAX),
    mismatches: number(mismatches),
  };
}

function membersOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(what);
  return value as Record<string, unknown>;
}

/** Names are the server's: an object without a prototype has no others. */
function named<T>(value: unknown, check: (value: unknown) => T): Record<string, T> {
  const entries = Object.entries(membersOf(value, "figures"));
  if (entries.length > COUNTERS_MAX) throw malformed("figures");
  const result = Object.create(null) as Record<string, T>;
  for (const [name, one] of entries) result[text(name, NAME_MAX)] = check(one);
  return result;
}

function number(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw malformed("number");
}

function numbers(value: unknown): number[] {
  return listOf(value).map(number);
}

function listOf(value: unknown): unknown[] {
  if (Array.isArray(value) && value.length <= LIST_MAX) return value;
  throw malformed("list");
}

function text(value: unknown, maxLength: number): string {
  if (typeof value === "string" && value.length <= maxLength) return value;
  throw malformed("text");
}

function malformed(what: string): ZbudError {
  return new ZbudError(
    "EBADMSG",
    `this is not a viewer: its ${what} is not one of a viewer; is the address right?`,
  );
}
