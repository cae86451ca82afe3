/** What the tests use of node:timers/promises, for browsers. */

/** Resolves after what the event loop has to do now. */
export function setImmediate(): Promise<void> {
  return setTimeout(0);
}

export function setTimeout(ms: number): Promise<void> {
  return new Promise((resolve) => globalThis.setTimeout(resolve, ms));
}
