import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";

let folder: string | undefined;
let count = 0;

/** A path for memory between processes that nobody else has; what is there goes when the process ends. */
export function freshMemory(): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), "zbud-test-"));
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return join(folder, `${count++}`);
}
