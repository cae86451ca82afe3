/**
 * What stands for `deadlock.ts` in a bundle for browsers (`browser` in package.json): it is fetched when a loader calls
 * `getOrSet`, where the bundler makes a file of its own of it.
 */
import type { Wait } from "./wait-node.ts";

export async function endOrDeadlock(wait: Wait, ended: Promise<void>): Promise<void> {
  const { endOrDeadlock: look } = await import("./deadlock-search.ts");
  await look(wait, ended);
}
