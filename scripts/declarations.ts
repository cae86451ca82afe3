/** What the package's entries declare, read from the declarations that tsc makes of the sources. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseAst } from "rolldown/parseAst";
import { bin, ROOT, runNode } from "./tools.ts";

/** A statement of a file, one of all kinds that there are. */
type Statement = ReturnType<typeof parseAst>["body"][number];
/** What a statement declares. */
type Declaration = Extract<Statement, { id?: unknown }> | Extract<Statement, { declarations: unknown }>;

/** A public name: the declarations that it stands for, and where they are. */
export interface PublicName {
  name: string;
  /** The name in the file that declares it. */
  declared: string;
  file: string;
  /** Without private members. */
  text: string;
  isValue: boolean;
  /** If it is a type: its parameters as they are declared, such as `<V = unknown>`, and their names. */
  parameters: { text: string; names: string[] } | null;
}

/** A file of declarations: what it declares, imports and exports. */
interface DeclarationFile {
  text: string;
  declared: Map<string, Declaration[]>;
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

/** The public names of each entry, sorted by name; from declarations in `dist`, or made for this. */
export function publicNames(dist?: string): Map<string, PublicName[]> {
  if (dist !== undefined) return readNames(dist);
  const folder = mkdtempSync(join(tmpdir(), "zbud-declarations-"));
  try {
    const flags = ["--emitDeclarationOnly", "--removeComments", "--outDir", folder];
    const { ok, output } = runNode([bin("typescript", "tsc"), "-p", "tsconfig.build.json", ...flags], {
      capture: true,
    });
    if (!ok) throw new Error(output);
    return readNames(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readNames(folder: string): Map<string, PublicName[]> {
  const reader = new Reader();
  const names = new Map<string, PublicName[]>();
  for (const [entry, source] of entrySources()) {
    const file = join(folder, source.replace(/^src\//, "").replace(/\.ts$/, ".d.ts"));
    const found = reader.namesOf(file).map((name) => reader.find(file, name));
    names.set(entry, found);
  }
  return names;
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
    const type = nodes.find((node) => /^(?:Class|TSInterface|TSTypeAlias)/.test(node.type));
    return {
      name: exportedAs,
      declared,
      file: where,
      text: parts.join("\n"),
      isValue: nodes.some((node) => !/^TS(?:Interface|TypeAlias)/.test(node.type)),
      parameters: type === undefined ? null : parametersOf(text, type),
    };
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
  for (const node of parseAst(text, { lang: "dts" }, path).body) readStatement(file, node, path);
  return file;
}

function readStatement(file: DeclarationFile, node: Statement, path: string): void {
  const fileOf = (specifier: string): string => join(dirname(path), specifier.replace(/\.[tj]s$/, ".d.ts"));
  switch (node.type) {
    case "ImportDeclaration":
      for (const each of node.specifiers) {
        if (each.type !== "ImportSpecifier" || !node.source.value.startsWith(".")) continue;
        file.imported.set(each.local.name, { name: nameOf(each.imported), from: fileOf(node.source.value) });
      }
      break;
    case "ExportAllDeclaration":
      file.whole.push(fileOf(node.source.value));
      break;
    case "ExportNamedDeclaration":
      for (const { local, exported } of node.specifiers) {
        const from = node.source === null ? null : fileOf(node.source.value);
        file.exported.set(nameOf(exported), { name: nameOf(local), from });
      }
      if (node.declaration !== null) {
        for (const name of declare(file, node.declaration)) file.exported.set(name, { name, from: null });
      }
      break;
    default:
      if ("id" in node || "declarations" in node) declare(file, node);
  }
}

function nameOf(node: { type: string; name?: string; value?: string }): string {
  return node.name ?? String(node.value);
}

function declare(file: DeclarationFile, node: Declaration): string[] {
  const ids = "declarations" in node ? node.declarations.map(({ id }) => id) : [node.id];
  const names = ids.flatMap((id) => (id?.type === "Identifier" ? [id.name] : []));
  for (const name of names) file.declared.set(name, [...(file.declared.get(name) ?? []), node]);
  return names;
}

function parametersOf(text: string, node: Declaration): { text: string; names: string[] } {
  const found = "typeParameters" in node ? node.typeParameters : null;
  if (!found) return { text: "", names: [] };
  const names = found.params.map(({ name }) => name.name);
  return { text: text.slice(found.start, found.end), names };
}

/** The text of a declaration; a class without what only it can reach. */
function withoutPrivate(text: string, node: Declaration): string {
  let result = text.slice(node.start, node.end);
  if (node.type === "ClassDeclaration") {
    for (const member of [...node.body.body].reverse()) {
      const isPrivate = "accessibility" in member && member.accessibility === "private";
      if (!isPrivate && !("key" in member && member.key.type === "PrivateIdentifier")) continue;
      const start = member.start - node.start;
      result = result.slice(0, start).trimEnd() + result.slice(member.end - node.start);
    }
  }
  return result.replace(/^declare /, "");
}
