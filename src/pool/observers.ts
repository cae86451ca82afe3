import { show, ZbudError } from "../base/index.ts";
import type { PoolObserver } from "./types.ts";

/** Who listens to a pool: any number, none of whom knows of the others. */
export class Observers {
  readonly #changed: (heard: PoolObserver | null) => void;
  #all: readonly { readonly observer: PoolObserver }[] = [];

  /** @param changed - gets whom to tell from here on: null for nobody, one that tells all for several. */
  constructor(changed: (heard: PoolObserver | null) => void) {
    this.#changed = changed;
  }

  /**
   * @returns ends it. A second call does nothing.
   * @throws {ZbudError} `EINVAL` if it is no object whose `on…` members are functions.
   */
  add(observer: PoolObserver): () => void {
    checkObserver(observer);
    const added = { observer };
    this.#set([...this.#all, added]);
    return () => {
      if (this.#all.includes(added)) this.#set(this.#all.filter((each) => each !== added));
    };
  }

  clear(): void {
    this.#set([]);
  }

  #set(all: readonly { readonly observer: PoolObserver }[]): void {
    this.#all = all;
    this.#changed(all.length < 2 ? (all[0]?.observer ?? null) : tellAll(all.map(({ observer }) => observer)));
  }
}

/**
 * One that tells several; what none of them hears costs nothing. If some throw, all are told, and then the caller gets
 * the first error.
 */
function tellAll(observers: readonly PoolObserver[]): PoolObserver {
  const all: Record<string, (...args: unknown[]) => void> = {};
  for (const name of EVENTS) {
    const hearing = observers.filter((observer) => observer[name] !== undefined);
    if (hearing.length === 0) continue;
    all[name] = (...args) => {
      let fault: { error: unknown } | null = null;
      for (const observer of hearing) {
        try {
          (observer[name] as (...args: unknown[]) => void)(...args);
        } catch (error) {
          fault ??= { error };
        }
      }
      if (fault !== null) throw fault.error;
    };
  }
  return all;
}

function checkObserver(observer: PoolObserver): void {
  if (typeof observer !== "object" || observer === null) {
    throw new ZbudError(
      "EINVAL",
      `an observer must be an object with functions such as onAlloc, not ${show(observer)}`,
    );
  }
  for (const name of EVENTS) {
    const listener = observer[name];
    if (listener !== undefined && typeof listener !== "function") {
      throw new ZbudError("EINVAL", `${name} of an observer must be a function, not ${show(listener)}`);
    }
  }
}

const EVENTS = [
  "onAlloc",
  "onFree",
  "onReclaimStart",
  "onEvictStart",
  "onEvictEnd",
  "onReclaimEnd",
  "onShrinkStart",
  "onShrinkEnd",
  "onCompact",
] as const satisfies (keyof PoolObserver)[];
