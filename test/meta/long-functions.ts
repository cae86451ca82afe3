import { identifier, isNode, lineOf, type SyntaxNode, type Tree, walkSyntax } from "./sources.ts";

/** What fits a screen. */
export const FUNCTION_LINES_MAX = 70;

const FUNCTIONS = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];
/** Calls that declare tests. */
const GROUPS = ["suite", "describe"];
const TESTS = ["test", "it"];

/**
 * Functions whose body, braces included, has more than `max` lines: one line for each. Callbacks of `suite` and
 * `describe` are lists of tests and do not count; neither do the lines of tests within a function.
 */
export function longFunctions(tree: Tree, max: number): string[] {
  return [...tree].flatMap(([path, text]) => longIn(path, text, max));
}

function longIn(path: string, text: string, max: number): string[] {
  const found: string[] = [];
  const groups = new Set<unknown>();
  const declared: SyntaxNode[] = [];
  const names = new Map<unknown, string>();
  const functions: SyntaxNode[] = [];
  walkSyntax(path, text, (node) => {
    if (FUNCTIONS.includes(node.type)) functions.push(node);
    const name = identifier(node.id) ?? keyName(node.key);
    for (const held of [node, node.init, node.value]) if (name !== undefined) names.set(held, name);
    const kind = declares(node);
    if (kind === null) return;
    declared.push(node);
    if (kind === "group") for (const argument of node.arguments as unknown[]) groups.add(argument);
  });
  for (const node of functions) {
    if (groups.has(node) || !isNode(node.body)) continue;
    const lines = linesWithout(text, node.body, declared);
    if (lines > max) {
      found.push(`${path}: ${names.get(node) ?? "a function"} has ${lines} lines, more than ${max}`);
    }
  }
  return found;
}

/** How many lines a node has without those of others that lie in it. */
function linesWithout(text: string, node: SyntaxNode, others: readonly SyntaxNode[]): number {
  const lines = new Set(linesOf(text, node));
  for (const other of others) {
    if (other.start <= node.start || Number(other.end) >= Number(node.end)) continue;
    for (const line of linesOf(text, other)) lines.delete(line);
  }
  return lines.size;
}

function linesOf(text: string, { start, end }: SyntaxNode): number[] {
  const first = lineOf(text, start);
  const count = lineOf(text, Number(end)) - first + 1;
  return Array.from({ length: count }, (_, i) => first + i);
}

function declares(node: SyntaxNode): "group" | "test" | null {
  if (node.type !== "CallExpression") return null;
  const callee = identifier(node.callee) ?? "";
  if (GROUPS.includes(callee)) return "group";
  return TESTS.includes(callee) ? "test" : null;
}

function keyName(key: unknown): string | undefined {
  if (!isNode(key)) return undefined;
  return key.type === "PrivateIdentifier" ? `#${key.name}` : identifier(key);
}
