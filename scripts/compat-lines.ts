import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

interface Node {
  readonly __compat?: object;
  readonly [name: string]: unknown;
}

/**
 * What browsers support, one feature a line as JSON: MDN's browser compatibility data (CC0), which the site's page on
 * browsers keeps in compressed memory.
 *
 * @param parts - of the data: `css`, `html`, `javascript`, …
 */
export function compatLines(parts: readonly string[]): string[] {
  const file = createRequire(import.meta.url).resolve("@mdn/browser-compat-data");
  const data = JSON.parse(readFileSync(file, "utf8")) as Record<string, Node>;
  const lines: string[] = [];
  const visit = (node: Node, name: string): void => {
    if (node.__compat !== undefined)
      lines.push(JSON.stringify({ name, ...node.__compat, source_file: undefined }));
    for (const [key, below] of Object.entries(node))
      if (key !== "__compat" && typeof below === "object") visit(below as Node, `${name}.${key}`);
  };
  for (const part of parts) visit(data[part], part);
  return lines;
}
