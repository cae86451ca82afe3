import { posix } from "node:path";
import { importsOf } from "./layers.ts";
import type { Tree } from "./sources.ts";

/**
 * Circles of imports among the files of a tree, type-only imports included: one line for each set of files that
 * reach each other, with a shortest circle in it. A file that is started as a thread or a process by its URL is not
 * imported: it may import from whoever starts it.
 */
export function importCircles(tree: Tree): string[] {
  const imports = new Map([...tree].map(([path, text]) => [path, targetsOf(tree, path, text)]));
  const circles: string[] = [];
  const done = new Set<string>();
  for (const path of imports.keys()) {
    if (done.has(path)) continue;
    const circle = shortestCircle(imports, path);
    if (circle === null) continue;
    circles.push(circle.join(" -> "));
    // The rest of what goes round with it is the same finding.
    const reached = reachedFrom(imports, path);
    for (const other of reached) if (reachedFrom(imports, other).has(path)) done.add(other);
  }
  return circles;
}

/** The files of the tree that a file imports. */
function targetsOf(tree: Tree, path: string, text: string): string[] {
  const targets = importsOf(path, text)
    .filter(({ specifier, isUrl }) => specifier.startsWith(".") && !isUrl)
    .map(({ specifier }) => posix.join(posix.dirname(path), specifier));
  return [...new Set(targets)].filter((target) => tree.has(target));
}

/** Breadth first, so that the circle shown is one that can be followed by eye. */
function shortestCircle(imports: ReadonlyMap<string, string[]>, start: string): string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const path of queue) {
    for (const target of imports.get(path) ?? []) {
      if (target === start) return [...wayBack(cameFrom, start, path), start];
      if (cameFrom.has(target)) continue;
      cameFrom.set(target, path);
      queue.push(target);
    }
  }
  return null;
}

function wayBack(cameFrom: ReadonlyMap<string, string>, start: string, end: string): string[] {
  const way = [end];
  for (let at = end; at !== start; way.unshift(at)) at = cameFrom.get(at) ?? start;
  return way;
}

function reachedFrom(imports: ReadonlyMap<string, string[]>, start: string): Set<string> {
  const reached = new Set(imports.get(start));
  for (const path of reached) for (const target of imports.get(path) ?? []) reached.add(target);
  return reached;
}
