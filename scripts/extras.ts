import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { installFolder, ROOT, readArguments } from "./tools.ts";

readArguments(`Usage: npm run extras

Installs what only some tests, benchmarks and examples need (extras/package.json), and links it into node_modules,
where they find it. The commands that need it run this first; when all is there, it does nothing.`);

const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "extras/package.json"), "utf8")) as {
  devDependencies: Record<string, string>;
};

if (installFolder("extras")) {
  for (const name of Object.keys(devDependencies)) link(name);
} else {
  process.exitCode = 1;
}

/** `npm ci` empties node_modules, and with it the links. */
function link(name: string): void {
  const place = join(ROOT, "node_modules", name);
  const target = join(ROOT, "extras/node_modules", name);
  if (existsSync(place) && lstatSync(place).isSymbolicLink()) return;
  // Something else of this name is there only if npm put it there for another package, inside of which it belongs.
  rmSync(place, { recursive: true, force: true });
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(relative(dirname(place), target), place, "dir");
}
