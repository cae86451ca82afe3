import assert from "node:assert/strict";

/** How long a test waits for something before it fails: a busy machine takes its time. */
const PATIENCE_MS = 20_000;

/**
 * Waits until something is so, while the event loop runs: errors of workers and processes come through it.
 *
 * @param what - the end of the sentence "waited in vain: …".
 * @param options.everyMs - the time between two looks.
 */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  { patienceMs = PATIENCE_MS, everyMs = 1 }: { patienceMs?: number; everyMs?: number } = {},
): Promise<void> {
  for (const start = performance.now(); !(await isSo()); ) {
    if (performance.now() - start > patienceMs) assert.fail(`waited ${patienceMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
