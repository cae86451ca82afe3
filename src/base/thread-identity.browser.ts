/**
 * What stands for `thread-identity.ts` in a bundle for browsers (`browser` in package.json): their threads have no numbers,
 * and nobody tells of their end.
 */
import { noteFallback } from "./fallbacks.ts";
import type { Identity } from "./thread-identity.ts";

export const NO_NUMBER = -1;

export function engineIdOfThread(): number {
  return 0;
}

export function identify(): Identity {
  noteFallback("thread-death");
  return { number: NO_NUMBER, started: 0, engineId: 0 };
}

export function startOfThread(): "unknown" {
  return "unknown";
}
