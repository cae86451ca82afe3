import { posix } from "node:path";
import {
  identifier,
  isNode,
  lineOf,
  type SyntaxNode,
  stringLiteral,
  type Tree,
  walkSyntax,
} from "./sources.ts";

/** The folders of src/ with the layers right below each; what those stand on is below it too. */
const BELOW: Record<string, readonly string[]> = {
  base: [],
  memory: ["base"],
  pool: ["memory"],
  drivers: ["pool"],
  codecs: ["base"],
  record: ["base"],
  zpool: ["drivers"],
  engine: ["drivers", "codecs", "record"],
  backing: ["memory", "record"],
  store: ["engine", "backing"],
  cache: ["engine", "backing"],
  adapters: ["store", "cache"],
  diagnostics: ["store", "cache"],
  trace: ["diagnostics"],
  estimate: ["store"],
  viewer: ["trace"],
  cli: ["trace", "estimate", "viewer", "adapters"],
};

/** The public entries: above every layer but the command line, and imported by none. */
const ENTRY = "entry";

/** Front doors besides a layer's `index.ts`: a driver or an adapter by itself, for an entry of its own. */
const OWN_DOORS = /^src\/(?:drivers\/[\w-]+\/index|adapters\/[\w-]+)\.ts$/;

/** Packages that a layer may import. They are bundled into the command line, or optional for the user. */
const PACKAGES: Record<string, readonly string[]> = {
  cli: ["commander", "cli-progress"],
  codecs: ["zstd-napi"],
};

/** Imports under src/ that go up, sideways, past a front door, or out to a package: one line for each. */
export function layerViolations(tree: Tree): string[] {
  const violations: string[] = [];
  for (const [path, text] of tree) {
    for (const { specifier, offset } of importsOf(path, text)) {
      const why = whyNot(path, specifier);
      if (why !== null) violations.push(`${path}:${lineOf(text, offset)} imports "${specifier}": ${why}`);
    }
  }
  return violations;
}

function whyNot(path: string, specifier: string): string | null {
  const from = layerOf(path);
  if (from === null) return "nothing lies beside the layers";
  if (from !== ENTRY && !(from in BELOW)) {
    return `src/${from} is not a layer; if it should be one, give it its place in test/meta/layers.ts`;
  }
  if (specifier.startsWith("node:")) return null;
  if (!specifier.startsWith(".")) {
    return (PACKAGES[from] ?? []).includes(packageOf(specifier)) ? null : "the library has no dependencies";
  }
  const target = posix.join(posix.dirname(path), specifier);
  if (target === "package.json") return null;
  if (!target.startsWith("src/")) return "it lies outside src/";
  const to = layerOf(target);
  if (to === null) return "nothing lies beside the layers";
  if (to === from) return null;
  if (to === ENTRY) return "nothing in src/ stands on the public entries; import the layer itself";
  if (from === ENTRY) {
    if (to === "cli") return "the command line is above the public entries";
    if (OWN_DOORS.test(target)) return null;
  } else if (!isBelow(to, from)) {
    return `${to} is not below ${from}`;
  }
  return isFrontDoor(target, to) ? null : `the front door of ${to} is src/${to}/index.ts`;
}

/** A layer's `index.ts`; and of a driver its own, so that one can be had without the others. */
function isFrontDoor(target: string, layer: string): boolean {
  return target === `src/${layer}/index.ts` || /^src\/drivers\/[\w-]+\/index\.ts$/.test(target);
}

function isBelow(low: string, high: string): boolean {
  return BELOW[high].some((next) => next === low || isBelow(low, next));
}

/** `@scope/name` for `@scope/name/part`, `name` for `name/part`. */
function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** `drivers` for `src/drivers/zbud/handle.ts`; null for a file right in src/. */
function layerOf(path: string): string | null {
  const parts = path.split("/");
  return parts.length > 2 ? parts[1] : null;
}

/** A module that a file names. */
export interface Import {
  specifier: string;
  offset: number;
  /** Whether only its URL is taken, to start a thread or a process with it. */
  isUrl: boolean;
}

/** Everything a file names as a module: import, export from, import(), type imports, require, worker URLs. */
export function importsOf(path: string, text: string): Import[] {
  const imports: Import[] = [];
  walkSyntax(path, text, (node) => {
    const specifier = specifierOf(node);
    if (specifier === undefined) return;
    imports.push({ specifier, offset: node.start, isUrl: node.type === "NewExpression" });
  });
  return imports;
}

function specifierOf(node: SyntaxNode): string | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return stringLiteral(node.source);
    case "CallExpression":
      return identifier(node.callee) === "require" ? stringLiteral(argument(node, 0)) : undefined;
    case "NewExpression": {
      // new URL("./worker.ts", import.meta.url)
      const base = argument(node, 1);
      const isModule = isNode(base) && isNode(base.object) && base.object.type === "MetaProperty";
      return identifier(node.callee) === "URL" && isModule ? stringLiteral(argument(node, 0)) : undefined;
    }
    default:
      return undefined;
  }
}

function argument(node: SyntaxNode, index: number): unknown {
  return Array.isArray(node.arguments) ? node.arguments[index] : undefined;
}
