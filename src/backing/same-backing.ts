import { ZbudError } from "../base/index.ts";
import type { Backing } from "./types.ts";

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
