/** What the package's entries declare, read from the declarations that tsc makes of the sources. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseAst } from "rolldown/parseAst";
import { bin, ROOT, runNode } from "./tools.ts";

/** A node of the syntax tree; its children are any of the values. */
interface Node {
  type: string;
  start: number;
  end: number;
  // biome-ignore lint/suspicious/noExplicitAny: the parser's types are of every node at once.
  [key: string]: any;
}

/** A public name: the declarations that it stands for, and where they are. */
export interface PublicName {
  name: string;
  /** The name in the file that declares it. */
  declared: string;
  file: string;
  /** Without private members. */
  text: string;
}

/** A file of declarations: what it declares, imports and exports. */
interface DeclarationFile {
  text: string;
  declared: Map<string, Node[]>;
  imported: Map<string, { name: string; from: string }>;
  exported: Map<string, { name: string; from: string | null }>;
  /** Files whose exports are all exported again. */
  whole: string[];
}

/** The sources of the entries by what `import` takes after the package's name: `.`, `./cache`, … */
export function entrySources(): Map<string, string> {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    exports: Record<string, string | { default: string }>;
  };
  const sources = new Map<string, string>();
  for (const [key, target] of Object.entries(exports)) {
    if (typeof target === "string") continue;
    sources.set(key, target.default.replace("./dist/", "src/").replace(/\.js$/, ".ts"));
  }
  return sources;
}

/** The public names of each entry, sorted by name. */
export function publicNames(): Map<string, PublicName[]> {
  const folder = mkdtempSync(join(tmpdir(), "zbud-declarations-"));
  try {
    const flags = ["--emitDeclarationOnly", "--removeComments", "--outDir", folder];
    const { ok, output } = runNode([bin("typescript", "tsc"), "-p", "tsconfig.build.json", ...flags], {
      capture: true,
    });
    if (!ok) throw new Error(output);
    const reader = new Reader();
    const names = new Map<string, PublicName[]>();
    for (const [entry, source] of entrySources()) {
      const file = join(folder, source.replace(/^src\//, "").replace(/\.ts$/, ".d.ts"));
      names.set(
        entry,
        reader.namesOf(file).map((name) => reader.find(file, name)),
      );
    }
    return names;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class Reader {
  readonly #files = new Map<string, DeclarationFile>();

  /** The names that a file exports, sorted. */
  namesOf(path: string): string[] {
    const file = this.#open(path);
    const names = new Set(file.exported.keys());
    for (const from of file.whole) for (const name of this.namesOf(from)) names.add(name);
    return [...names].sort();
  }

  /** Follows a name that a file exports to its declaration. */
  find(path: string, exportedAs: string): PublicName {
    const found = this.#follow(path, exportedAs);
    if (found === null) throw new Error(`${path} exports no ${exportedAs}`);
    const [where, declared] = found;
    const { text, declared: all } = this.#open(where);
    const nodes = all.get(declared);
    if (nodes === undefined) throw new Error(`${where} declares no ${declared}`);
    const parts = nodes.map((node) => withoutPrivate(text, node));
    return { name: exportedAs, declared, file: where, text: parts.join("\n") };
  }

  #follow(path: string, name: string): [file: string, name: string] | null {
    const file = this.#open(path);
    const target = file.exported.get(name);
    if (target === undefined) {
      for (const from of file.whole) {
        const found = this.#follow(from, name);
        if (found !== null) return found;
      }
      return null;
    }
    if (target.from !== null) return this.#follow(target.from, target.name);
    const imported = file.imported.get(target.name);
    return imported === undefined ? [path, target.name] : this.#follow(imported.from, imported.name);
  }

  #open(path: string): DeclarationFile {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = readDeclarations(path);
      this.#files.set(path, file);
    }
    return file;
  }
}

function readDeclarations(path: string): DeclarationFile {
  const text = readFileSync(path, "utf8");
  const file: DeclarationFile = {
    text,
    declared: new Map(),
    imported: new Map(),
    exported: new Map(),
    whole: [],
  };
  const program = parseAst(text, { lang: "dts" }, path) as unknown as { body: Node[] };
  for (const node of program.body) readStatement(file, node, path);
  return file;
}

function readStatement(file: DeclarationFile, node: Node, path: string): void {
  const from = node.source ? join(dirname(path), node.source.value.replace(/\.[tj]s$/, ".d.ts")) : null;
  switch (node.type) {
    case "ImportDeclaration":
      for (const { imported, local } of node.specifiers) {
        if (imported && from) file.imported.set(local.name, { name: imported.name, from });
      }
      break;
    case "ExportAllDeclaration":
      if (from) file.whole.push(from);
      break;
    case "ExportNamedDeclaration":
      for (const { local, exported } of node.specifiers) {
        file.exported.set(exported.name, { name: local.name, from });
      }
      if (node.declaration) {
        for (const name of declare(file, node.declaration, node))
          file.exported.set(name, { name, from: null });
      }
      break;
    default:
      declare(file, node, node);
  }
}

function declare(file: DeclarationFile, declaration: Node, whole: Node): string[] {
  const names: string[] =
    declaration.type === "VariableDeclaration"
      ? declaration.declarations.map(({ id }: Node) => id.name)
      : [declaration.id?.name].filter((name) => name !== undefined);
  for (const name of names) file.declared.set(name, [...(file.declared.get(name) ?? []), whole]);
  return names;
}

/** The text of a declaration; a class without what only it can reach. */
function withoutPrivate(text: string, node: Node): string {
  const declaration: Node = node.declaration ?? node;
  let result = text.slice(declaration.start, declaration.end);
  if (declaration.type === "ClassDeclaration") {
    for (const member of [...declaration.body.body].reverse() as Node[]) {
      if (member.accessibility !== "private" && member.key?.type !== "PrivateIdentifier") continue;
      const start = member.start - declaration.start;
      result = result.slice(0, start).trimEnd() + result.slice(member.end - declaration.start);
    }
  }
  return result.replace(/^declare /, "");
}
