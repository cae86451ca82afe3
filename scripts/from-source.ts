/**
 * `node --import ./scripts/from-source.ts FILE` runs a program that imports "zbud" with this folder's
 * sources, without a build, so that examples read as users write them.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";

const MANIFEST = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  name: string;
  exports: Record<string, { default?: string }>;
};

const SOURCES = new Map<string, string>();
for (const [key, { default: built }] of Object.entries(MANIFEST.exports)) {
  if (built === undefined) continue;
  const source = built.replace("./dist/", "../src/").replace(/\.js$/, ".ts");
  SOURCES.set(MANIFEST.name + key.slice(1), new URL(source, import.meta.url).href);
}

registerHooks({
  resolve(specifier, context, nextResolve) {
    return nextResolve(SOURCES.get(specifier) ?? specifier, context);
  },
});
