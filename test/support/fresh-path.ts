import { join } from "node:path";
import { temporaryFolder } from "../../scripts/tools.ts";

const folder = temporaryFolder("files");
let count = 0;

/** A path that nobody else has; what is there goes when the process ends. */
export function freshPath(): string {
  return join(folder, `${count++}.zbud`);
}
