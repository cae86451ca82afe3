import { ZbudError } from "../base/index.ts";
import type { Backing } from "./types.ts";

const NO_KEY = { k0: 0, k1: 0, prefix: new Uint8Array(0) };

/**
 * Makes sure, as a cache or a page store is made, that its backing store is open and has no records of the other kind.
 *
 * @throws {ZbudError} `ECLOSED`, `EINVAL`.
 */
export function claimBacking(user: "cache" | "page store", backing: Backing): void {
  if (isClosed(backing)) {
    throw new ZbudError(
      "ECLOSED",
      `the backing store of this ${user} was closed: open it again before the ${user} is made, and close it after the ${user}`,
    );
  }
  backing.claim?.(user);
}

function isClosed(backing: Backing): boolean {
  try {
    const has: unknown = backing.has(NO_KEY);
    // One that is asynchronous, against the contract, says it later.
    if (has instanceof Promise) has.catch(() => undefined);
    return false;
  } catch (error) {
    // What else is wrong with it, its calls say.
    return error instanceof ZbudError && error.code === "ECLOSED";
  }
}

/**
 * Makes sure that a thread that attaches brings the backing store that the others have.
 *
 * @param owner - what is attached to, for the message: `"cache"`.
 * @param id - of the others' store; null if it has none.
 * @throws {ZbudError} `EINVAL`: what this thread deletes would stay in theirs.
 */
export function checkSameBacking(owner: string, id: string | null, { id: own, name }: Backing): void {
  if (id === null || own === undefined || own === id) return;
  throw new ZbudError(
    "EINVAL",
    `this ${owner} has another backing store than this ${name} one: attach the same in each thread, such as FileBacking.attach(shared) with what share() of the file gave, or old values would stay in it`,
  );
}
