import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "zbud-backing-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
let count = 0;

/** A path that nobody else has; what is there goes when the process ends. */
export function freshPath(): string {
  return join(folder, `${count++}.zbud`);
}
