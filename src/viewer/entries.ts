import { decodeKey } from "../cache/index.ts";
import { isInspectable } from "../diagnostics/index.ts";
import { type EngineInside, EntryWalk, keyOfRow, type SeenEntry } from "../engine/index.ts";
import type { ShownEntries, ShownKey, User, Viewable } from "./types.ts";

/** A longer key is shown by its beginning. */
const KEY_MAX = 120;

/** The entries of what is watched, if it is a cache or a page store, and who uses it. */
export class Entries {
  readonly #target: Viewable;
  readonly areKeysShown: boolean;
  readonly #walk = new EntryWalk();

  constructor(target: Viewable, areKeysShown: boolean) {
    this.#target = target;
    this.areKeysShown = areKeysShown;
  }

  /** Looks at some of them. @param now - milliseconds. */
  look(now: number): { entries: ShownEntries | null; users: readonly User[] | null } {
    const inside = engineOf(this.#target);
    if (inside === null) return { entries: null, users: null };
    const found = this.#walk.step(inside, now);
    const users = usersOf(inside);
    if (found === null) return { entries: null, users };
    const { counted, sizes, ages, earlier, raw, largest } = found;
    const keys = this.areKeysShown ? largest.flatMap((entry) => keyOf(inside, entry)) : null;
    keys?.sort((a, b) => b.bytes - a.bytes);
    return { entries: { counted, sizes, ages, earlier, raw, keys }, users };
  }

  forget(): void {
    this.#walk.forget();
  }
}

function engineOf(target: Viewable): EngineInside | null {
  if (!isInspectable(target)) return null;
  const inside = target.inside();
  return inside.kind === "engine" ? inside : null;
}

/** This thread among them. */
function usersOf({ registry }: EngineInside): User[] {
  const own = typeof process === "object" ? process.pid : 0;
  if (registry === null) return [{ pid: own, threads: 1 }];
  if (!registry.isOfProcesses) return [{ pid: own, threads: registry.taken().length }];
  const threads = new Map([[own, 1]]);
  for (const { pid } of registry.living()) threads.set(pid, (threads.get(pid) ?? 0) + 1);
  return [...threads].map(([pid, count]) => ({ pid, threads: count }));
}

/** Of the entry that is there by now, if there is one. */
function keyOf(inside: EngineInside, seen: SeenEntry): ShownKey | [] {
  const found = keyOfRow(inside, seen);
  if (found === null || found.key.length === 0) return [];
  const key = decodeKey(found.key, found.key.length);
  const text =
    key instanceof Uint8Array ? Array.from(key.subarray(0, KEY_MAX / 2), hex).join("") : String(key);
  return { key: text.length > KEY_MAX ? `${text.slice(0, KEY_MAX)}…` : text, bytes: found.bytes };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
