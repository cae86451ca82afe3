import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { parseAst } from "rolldown/parseAst";

/** The project's folder. */
export const ROOT: string = join(import.meta.dirname, "../..");

/** Left out everywhere: made by tools, data, or not TypeScript although it looks like it. */
const LEFT_OUT = [
  "node_modules",
  "extras/build",
  "extras/node_modules",
  "site/build",
  "site/node_modules",
  "dist",
  "build",
  ".git",
  "test/fixtures",
  "src/codecs/lz4/assembly",
];

/** Text of each file, by its path relative to the project, with `/`. */
export type Tree = Map<string, string>;

/** Reads the files under the given files and folders (missing ones are empty) with one of the suffixes. */
export function readTree(places: readonly string[], suffixes: readonly string[]): Tree {
  const tree: Tree = new Map();
  const visit = (path: string): void => {
    const name = relative(ROOT, path).split(sep).join("/");
    if (LEFT_OUT.includes(name)) return;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) {
      for (const entry of readdirSync(path).sort()) visit(join(path, entry));
    } else if (stat?.isFile() && suffixes.some((suffix) => name.endsWith(suffix))) {
      tree.set(name, readFileSync(path, "utf8"));
    }
  };
  for (const place of places) visit(join(ROOT, place));
  return tree;
}

/** A node of the syntax tree. Children are any of the values. */
export interface SyntaxNode {
  type: string;
  start: number;
  [key: string]: unknown;
}

/** Calls `visit` for every node of a TypeScript file. */
export function walkSyntax(path: string, text: string, visit: (node: SyntaxNode) => void): void {
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const item of value) walk(item);
    } else if (isNode(value)) {
      visit(value);
      for (const child of Object.values(value)) walk(child);
    }
  };
  walk(parseAst(text, { lang: "ts" }, path));
}

/** Whether a value met in the tree is a node. */
export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && typeof (value as SyntaxNode).type === "string";
}

/** The name of an identifier node, or undefined. */
export function identifier(value: unknown): string | undefined {
  return isNode(value) && value.type === "Identifier" ? String(value.name) : undefined;
}

/** The text of a string literal node, or undefined. */
export function stringLiteral(value: unknown): string | undefined {
  return isNode(value) && value.type === "Literal" && typeof value.value === "string"
    ? value.value
    : undefined;
}

/** 1-based line of an offset. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
