import { type Dirent, existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Some files of one kind. */
export interface FoundFiles {
  /** What they are, for people. */
  name: string;
  files: string[];
  bytes: number;
}

const BYTES_MAX = 24 * 1024 * 1024;
const FILES_MAX = 20_000;
/** So little would tell nothing. */
const BYTES_MIN = 256 * 1024;

/** JSON to load: one large real data set if it is installed, else what lies around. */
export function findData(): FoundFiles {
  const compat = packageFolder("@mdn/browser-compat-data");
  if (compat !== null) {
    const found = collect("browser-compat-data", [compat], /^data\.json$/);
    if (found.bytes >= BYTES_MIN) return found;
  }
  return collect("the package files of the installed modules", moduleFolders(), /\.json$/);
}

/** Text that came with the tools: TypeScript's declarations if they are installed, else scripts. */
export function findText(): FoundFiles {
  const packages = [
    "@types/node",
    `@typescript/typescript-${process.platform}-${process.arch}`,
    "typescript",
  ];
  const folders = packages.map(packageFolder).filter((folder) => folder !== null);
  const found = collect("TypeScript declaration files", folders, /\.d\.[cm]?ts$/);
  if (found.bytes >= BYTES_MIN) return found;
  return collect("script files of the installed modules", moduleFolders(), /\.[cm]?js$/);
}

/** Not every package lets its package.json be resolved, so the folders are looked through. */
function packageFolder(name: string): string | null {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  return folders.map((folder) => join(folder, name)).find((folder) => existsSync(folder)) ?? null;
}

/** Where packages lie: around this one, and those that came with Node (npm and its kind). */
function moduleFolders(): string[] {
  const around = createRequire(import.meta.url).resolve.paths("zbud") ?? [];
  return [...around, join(dirname(process.execPath), "..", "lib", "node_modules")];
}

/** Collects files by name, in a fixed order, up to a limit. */
function collect(name: string, roots: readonly string[], pattern: RegExp): FoundFiles {
  const found: FoundFiles = { name, files: [], bytes: 0 };
  const folders = [...roots].reverse();
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile() && pattern.test(entry.name)) add(found, path);
      if (found.bytes >= BYTES_MAX || found.files.length >= FILES_MAX) return found;
    }
  }
  return found;
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}

function add(found: FoundFiles, path: string): void {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes === 0) return;
  found.files.push(path);
  found.bytes += bytes;
}
