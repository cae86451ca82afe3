import { homedir } from "node:os";
import {
  identifier,
  isNode,
  lineOf,
  ROOT,
  type SyntaxNode,
  stringLiteral,
  type Tree,
  walkSyntax,
} from "./sources.ts";

/** A file beyond this is two things. */
export const LINES_MAX = 800;
/** Files grow to this by themselves; beyond it a look is worthwhile. */
export const LINES_USUAL = 500;

/** Words whose place is an issue, not a file; in brackets so that this file passes its own test. */
const UNFINISHED = /\b(?:T[O]DO|FI[X]ME|X[X]X)\b/;
const SILENCED = /@[t]s-(?:ignore|nocheck)/;
/** Folders of someone's machine. */
const MACHINE_PATH = /(?<![\w.~/-])\/(?:home|Users|root|work)\/\w/;

/** What a TypeScript file must not have: one line for each place. */
export function codeViolations(tree: Tree): string[] {
  const violations: string[] = [];
  for (const [path, text] of tree) {
    walkSyntax(path, text, (node) => {
      const what = bannedSyntax(node);
      if (what !== null) violations.push(`${path}:${lineOf(text, node.start)} ${what}`);
    });
    violations.push(
      ...lineViolations(path, text, SILENCED, "silences the type checker; fix the type instead"),
    );
  }
  return violations;
}

/** What no text of the project must have, be it code, data or documentation. */
export function textViolations(tree: Tree): string[] {
  const violations: string[] = [];
  const own = [ROOT, homedir()].filter((path) => path.split("/").length > 2);
  for (const [path, text] of tree) {
    violations.push(...lineViolations(path, text, UNFINISHED, "is unfinished; finish it, or open an issue"));
    violations.push(...lineViolations(path, text, MACHINE_PATH, "names a folder of one machine"));
    text.split("\n").forEach((line, index) => {
      if (own.some((folder) => line.includes(folder))) {
        violations.push(`${path}:${index + 1} names a folder of this machine`);
      }
    });
  }
  return violations;
}

/** Files longer than `max` lines. */
export function longFiles(tree: Tree, max: number): string[] {
  return [...tree]
    .map(([path, text]) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > max)
    .map(({ path, lines }) => `${path} has ${lines} lines, more than ${max}`);
}

function lineViolations(path: string, text: string, pattern: RegExp, why: string): string[] {
  return text
    .split("\n")
    .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${why}`] : []));
}

/** Tests speak one dialect: `describe` and `it`. */
function otherDialect(node: SyntaxNode): string | null {
  if (stringLiteral(node.source) !== "node:test" || !Array.isArray(node.specifiers)) return null;
  const names = node.specifiers.map((specifier: SyntaxNode) =>
    specifier.type === "ImportSpecifier" ? identifier(specifier.imported) : "default",
  );
  const other = names.find((name) => name !== undefined && ["suite", "test", "default"].includes(name));
  return other === undefined ? null : `imports ${other} of node:test; tests say "describe" and "it"`;
}

function bannedSyntax(node: SyntaxNode): string | null {
  if (node.type === "TSAnyKeyword") return 'has type "any"; say what it is, or "unknown"';
  if (node.type === "ImportDeclaration") return otherDialect(node);
  if (node.type !== "MemberExpression") return null;
  const object = identifier(
    isNode(node.object) && node.object.type === "CallExpression" ? node.object.callee : node.object,
  );
  const property = identifier(node.property);
  if (object === "Math" && property === "random") return "has no seed; use Prng of src/base";
  if (/^(test|it|suite|describe)$/.test(object ?? "") && /^(only|skip|todo)$/.test(property ?? "")) {
    return `leaves tests out with .${property}`;
  }
  return null;
}
