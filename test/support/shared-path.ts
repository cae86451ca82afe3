import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let folder: string | undefined;
let count = 0;

/** The path of memory that processes share and that is not there yet. It goes when this process ends. */
export function sharedPath(): string {
  folder ??= newFolder();
  return join(folder, `${count++}`);
}

function newFolder(): string {
  // Where memory between processes lies: another file system may not give the room of a part back.
  const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const made = mkdtempSync(join(parent, "zbud-test-"));
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  return made;
}
