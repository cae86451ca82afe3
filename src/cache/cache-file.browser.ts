/** What stands for `cache-file.ts` in a bundle for browsers, which have no files by path (`browser` in package.json). */
import { ZbudError } from "../base/index.ts";

export function saveFile(): Promise<number> {
  return loadFile();
}

export function loadFile(): Promise<number> {
  return Promise.reject(
    new ZbudError(
      "ENOTSUP",
      "save and load of a cache need Node.js (node:fs); in browsers give it an OpfsBacking",
    ),
  );
}
