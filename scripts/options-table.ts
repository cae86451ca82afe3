/** The table of all options of what is made with options, from the comments of their types. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAst } from "rolldown/parseAst";
import { filesUnder, ROOT } from "./tools.ts";

/** Where the table lies. */
export const OPTIONS_PAGE = "docs/options.md";

/** What is made with options: its column, its names for readers, and the types of the options. */
interface Thing {
  column: string;
  name: string;
  type: string;
}

const THINGS: readonly Thing[] = [
  { column: "pool", name: "ZbudPool", type: "ZbudPoolOptions" },
  { column: "pool", name: "SlotsPool", type: "SlotsPoolOptions" },
  { column: "pool", name: "ZsmallocPool", type: "ZsmallocPoolOptions" },
  { column: "pool", name: "LogPool", type: "LogPoolOptions" },
  { column: "pool", name: "SizeClassPool", type: "SizeClassPoolOptions" },
  { column: "store", name: "PageStore", type: "PageStoreOptions" },
  { column: "cache", name: "CompressedCache", type: "CompressedCacheOptions" },
  { column: "file", name: "FileBacking", type: "FileBackingOptions" },
  { column: "file", name: "OpfsBacking", type: "OpfsBackingOptions" },
  { column: "memory", name: "MemoryBacking", type: "MemoryBackingOptions" },
  { column: "keyv", name: "KeyvBacking", type: "KeyvBackingOptions" },
  { column: "redis", name: "redisTier", type: "RedisTierOptions" },
];

/** Why one name has different types. A name that is not here has one type everywhere; a test holds that. */
export const DIFFERENT_TYPES: Readonly<Record<string, string>> = {
  maxBytes: "only what evicts by itself, a cache or page store, can follow the machine within a range",
  shared: "a file is there for the threads of one process without being asked",
  recompress: "a cache gives a stronger codec its own dictionary, and so knows which one it is",
  codec: "a cache needs a codec for each thread and dictionary, and so a function that makes one",
};

/** One option of one thing. */
export interface Option {
  name: string;
  /** As it is written, without `undefined`. */
  type: string;
  isRequired: boolean;
  /** What holds if it is not given; empty if its comment names nothing. */
  otherwise: string;
  /** The first sentence of its comment. */
  meaning: string;
}

interface Declared {
  members: Option[];
  bases: { name: string; without: string[] }[];
}

/** The options of each thing, by its name and in the order of their declaration. */
export function optionsOfThings(): Map<string, Option[]> {
  const declared = new Map<string, Declared>();
  for (const file of filesUnder("src", ".ts")) {
    const text = readFileSync(join(ROOT, file), "utf8");
    if (/^export interface \w*Options\b/m.test(text)) readInterfaces(file, text, declared);
  }
  return new Map(THINGS.map(({ name, type }) => [name, membersOf(type, declared)]));
}

function readInterfaces(file: string, text: string, declared: Map<string, Declared>): void {
  const slice = ({ start, end }: { start: number; end: number }): string => text.slice(start, end);
  for (const statement of parseAst(text, { lang: "ts" }, file).body) {
    const node = statement.type === "ExportNamedDeclaration" ? statement.declaration : null;
    if (node?.type !== "TSInterfaceDeclaration" || !node.id.name.endsWith("Options")) continue;
    const members: Option[] = [];
    let before = node.body.start;
    for (const member of node.body.body) {
      const comment = text.slice(before, member.start);
      before = member.end;
      if (member.type !== "TSPropertySignature" || member.typeAnnotation === null) continue;
      const type = plainType(slice(member.typeAnnotation.typeAnnotation));
      members.push({ ...described(comment), name: slice(member.key), type, isRequired: !member.optional });
    }
    const bases = node.extends.map((base) => {
      const [, inner, names] = /^Omit<(\w+), (.*)>$/s.exec(slice(base)) ?? [];
      const without = [...(names ?? "").matchAll(/"(\w+)"/g)].map(([, name]) => name);
      return { name: inner ?? slice(base.expression), without };
    });
    declared.set(node.id.name, { members, bases });
  }
}

/** Those of the type itself first, then what it has from others. */
function membersOf(type: string, declared: Map<string, Declared>): Option[] {
  const found = declared.get(type);
  if (found === undefined) throw new Error(`no interface ${type} in src`);
  const members: Option[] = [...found.members];
  for (const { name, without } of found.bases) {
    for (const option of membersOf(name, declared)) {
      if (!without.includes(option.name) && !members.some((member) => member.name === option.name)) {
        members.push(option);
      }
    }
  }
  return members;
}

function plainType(type: string): string {
  return type
    .replace(/ \| undefined$/, "")
    .replace(/^\(\((.*)\)\)$/, "($1)")
    .replace(/^\((\(\) => \w+)\)$/, "$1")
    .replace(/\s+/g, " ");
}

function described(comment: string): { otherwise: string; meaning: string } {
  const lines = /\/\*\*(.*)\*\//s.exec(comment)?.[1] ?? "";
  const text = lines
    .replace(/^\s*\* ?/gm, "")
    .replace(/\{@link ([\w.]+)\}/g, "`$1`")
    .replace(/\s+/g, " ")
    .trim();
  const meaning = /^.*?[.:](?= [A-Z`0-9"-]|$)/.exec(text)?.[0] ?? text;
  return { otherwise: defaultIn(text), meaning: meaning.replace(/:$/, ".") };
}

/** How comments say it: `default 6`, `Default "slots"`, `"lz4" (the default)`, `1, the default,`, `X if absent`. */
const DEFAULTS: readonly RegExp[] = [
  /(`"\w+"`|\b\d+) \(the default/,
  /(`"\w+"`|\b\d+), the default/,
  /\b[Dd]efault (?!for)(.+?)(?:[.;,](?= |$)|: )/,
  /\b[Dd]efault: (.+?)(?:[.;](?= |$))/,
  /\b[Dd]efault for .*? (\d+)/,
  /(`[^`]+`)[^.;`]*,? if absent/,
  /If absent, (.+?)(?:[.;](?= |$))/,
];

function defaultIn(text: string): string {
  for (const pattern of DEFAULTS) {
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  return "";
}

/** The page, from the options of each thing. */
export function optionsPage(things: Map<string, Option[]> = optionsOfThings()): string {
  const parts = [
    `# All options

\`npm run api\` makes this page from the comments in the sources. The same name means the same thing everywhere. A cell
of the first table says what holds if the option is not given; *required*: it must be given; *none*: then there is none.
Where the type is \`Size\`, write a number of bytes or text such as \`"64MiB"\`; \`"20%"\` of the memory that this process
may use is for memory only, not for files. \`driver\` is a driver such as \`zsmallocDriver\` (from \`zbud/drivers/zsmalloc\`),
or its name, \`"zsmalloc"\`, where something of \`zbud\` or \`zbud/zpool\` is in use.

${overview(things)}`,
  ];
  for (const [name, reason] of Object.entries(DIFFERENT_TYPES)) {
    parts.push(`\`${name}\` has more than one type: ${reason}.`);
  }
  for (const [name, options] of things) {
    const rows = options.map(({ name: option, type, meaning }) => [`\`${option}\``, code(type), meaning]);
    parts.push(`## ${name}\n\n${table(["option", "type", "meaning"], rows)}`);
  }
  return `${parts.join("\n\n")}\n`;
}

/** One row a name, one column a kind of thing. */
function overview(things: Map<string, Option[]>): string {
  const columns = [...new Set(THINGS.map(({ column }) => column))];
  const names = [...new Set([...things.values()].flat().map(({ name }) => name))].sort();
  const rows = names.map((name) => [
    `\`${name}\``,
    ...columns.map((column) =>
      cellOf(
        things,
        THINGS.filter((thing) => thing.column === column),
        name,
      ),
    ),
  ]);
  return table(["option", ...columns], rows);
}

function cellOf(things: Map<string, Option[]>, kinds: readonly Thing[], name: string): string {
  const having = kinds.flatMap((kind) => {
    const option = things.get(kind.name)?.find((each) => each.name === name);
    return option === undefined ? [] : [{ kind: kind.name, option }];
  });
  if (having.length === 0) return "";
  const kindsBy = new Map<string, string[]>();
  for (const { kind, option } of having) {
    const text = option.isRequired ? "required" : option.otherwise || "not required";
    kindsBy.set(text, [...(kindsBy.get(text) ?? []), kind]);
  }
  const texts = [...kindsBy].map(([text, named]) =>
    named.length === kinds.length ? text : `${text} (${named.join(", ")})`,
  );
  return texts.join("; ");
}

/** The types that each name has, over all things. */
export function typesByName(things: Map<string, Option[]> = optionsOfThings()): Map<string, Set<string>> {
  const types = new Map<string, Set<string>>();
  for (const { name, type } of [...things.values()].flat()) {
    types.set(name, (types.get(name) ?? new Set()).add(type));
  }
  return types;
}

function code(type: string): string {
  return `\`${type}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
