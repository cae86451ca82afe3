/** Bundles sources and tests for a browser. */

import { readFileSync } from "node:fs";
import { dirname, join, posix, sep } from "node:path";
import { build, type OutputChunk, type Plugin } from "rolldown";
import { ROOT } from "../../scripts/tools.ts";
import { stringLiteral, walkSyntax } from "../meta/sources.ts";

const SHIMS = join(ROOT, "test/browser/page/shims");
/** What stands for Node's modules in the tests' own code. Sources get none: they must not need them. */
const SHIM_OF: Record<string, string> = {
  "node:assert/strict": join(SHIMS, "assert.ts"),
  "node:fs": join(SHIMS, "fs.ts"),
  "node:test": join(SHIMS, "test.ts"),
  "node:timers/promises": join(SHIMS, "timers.ts"),
};

/** The tests' own code, and what they test. */
const TESTS = join(ROOT, "test") + sep;
const SOURCES = join(ROOT, "src") + sep;

const ENTRY = "\0entry";

/** How {@link bundle} does it. */
export interface BundleOptions {
  minify?: boolean;
  /** Leaves out what is fetched when it is first called, by `import()`. */
  withoutLater?: boolean;
  /** Where the entry's relative imports begin; the project's folder if absent. */
  folder?: string;
}

/**
 * Bundles one program into one file.
 *
 * @param program - its text; it imports from the project's folder, `./src/entry/index.ts`.
 * @throws {Error} if a source imports a module of Node, or anything is missing.
 */
export async function bundle(program: string, options: BundleOptions = {}): Promise<string> {
  return (await bundled(program, options)).code;
}

/** As {@link bundle}, with the length of each module in it before it is minified. */
export async function bundled(program: string, options: BundleOptions = {}): Promise<OutputChunk> {
  const { output } = await build({
    input: ENTRY,
    cwd: ROOT,
    platform: "browser",
    write: false,
    logLevel: "silent",
    treeshake: { moduleSideEffects: hasSideEffects },
    plugins: [
      entryPlugin(program, options.folder ?? ROOT),
      ...(options.withoutLater === true ? [laterPlugin] : []),
      browserPlugin,
      shimPlugin,
    ],
    output: { format: "esm", codeSplitting: false, minify: options.minify ?? false },
  });
  return output[0] as OutputChunk;
}

/** What package.json says of the built modules, `sideEffects: false`, holds for their sources. */
function hasSideEffects(id: string): boolean {
  return !id.startsWith(SOURCES);
}

const { browser } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  browser: Record<string, string>;
};

/** What package.json has for browsers in the stead of built modules, as their sources. */
const REPLACED: ReadonlyMap<string, string> = new Map(
  Object.entries(browser).map((pair) => {
    const [from, to] = pair.map((built) =>
      join(ROOT, built.replace("./dist/", "src/").replace(/\.js$/, ".ts")),
    );
    return [from, to];
  }),
);

const browserPlugin: Plugin = {
  name: "modules for browsers",
  resolveId: (id, importer) => {
    if (importer === undefined || !id.startsWith(".")) return null;
    return REPLACED.get(join(dirname(importer), id)) ?? null;
  },
};

const laterPlugin: Plugin = {
  name: "what is fetched later",
  resolveId: (id, _, { kind }) => (kind === "dynamic-import" ? { id, external: true } : null),
};

function entryPlugin(program: string, folder: string): Plugin {
  return {
    name: "entry",
    resolveId: (id, importer) => {
      if (id === ENTRY) return ENTRY;
      return importer === ENTRY && id.startsWith("./") ? join(folder, id) : null;
    },
    load: (id) => (id === ENTRY ? { code: program, moduleType: "ts" } : null),
  };
}

const shimPlugin: Plugin = {
  name: "shims",
  resolveId: (id, importer) => {
    if (!id.startsWith("node:")) return null;
    const shim = importer?.startsWith(TESTS) ? SHIM_OF[id] : undefined;
    if (shim === undefined) throw new Error(`${importer} imports ${id}, which browsers do not have`);
    return shim;
  },
  transform: (code, id) => {
    const isTest = id.startsWith(TESTS) && !id.startsWith(SHIMS);
    const globals = [
      ...(/\bBuffer\./.test(code) ? ["Buffer"] : []),
      ...(/\bprocess\./.test(code) ? ["process"] : []),
    ];
    if (!isTest || globals.length === 0) return null;
    return `import { ${globals.join(", ")} } from "${join(SHIMS, "globals.ts")}";${code}`;
  },
};

/** Whether a test file, or what it imports, needs more of Node than the shims have. */
export function needsNode(file: string, seen: Set<string> = new Set()): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  const specifiers: string[] = [];
  walkSyntax(file, readFileSync(join(ROOT, file), "utf8"), (node) => {
    const isImport =
      /^(?:Import(?:Declaration|Expression)|ExportNamedDeclaration|ExportAllDeclaration)$/.test(node.type);
    const specifier =
      isImport && node.importKind !== "type" && node.exportKind !== "type" ? node.source : null;
    const name = stringLiteral(specifier);
    if (name !== undefined) specifiers.push(name);
  });
  return specifiers.some((name) => {
    if (name.startsWith("node:")) return !(name in SHIM_OF);
    return name.startsWith(".") && needsNode(posix.join(posix.dirname(file), name), seen);
  });
}
