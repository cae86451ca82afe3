/** Builds a copy of the library in which a thread can stop at a numbered point between any two statements. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { rolldown } from "rolldown";
import { parseAst } from "rolldown/parseAst";
import { identifier, isNode, lineOf, ROOT, type SyntaxNode } from "../meta/sources.ts";
import { CAN_GIVE_BACK } from "../support/can-give-back.ts";
import { oneFile } from "../support/one-file.ts";
import { DRIVERS, type DriverName } from "./pools.ts";

/** One place where a thread may stop. */
export interface Point {
  /** `file:line function`, for messages. */
  where: string;
}

export interface Instrumented {
  driver: DriverName;
  /** URL of a module that exports the instrumented class of the driver's pools. */
  module: string;
  /** URL of the threads' program. */
  worker: string;
  /** By number. */
  points: Point[];
}

/** They change nothing. */
const WALKS = ["objects", "stats", "inside", "metadataBytes"];

/** Functions of allocators that change nothing, are not used by shared pools, or only call others. */
const HARMLESS = [
  "constructor",
  "find",
  "positions",
  "pageBytesOf",
  "pageBytes",
  "place",
  "endReclaims",
  "trim",
  "touchedBytes",
  "close",
  "rowOf",
  "handleAt",
  ...WALKS,
];

/** Which functions get points: all but some, or only some. */
export type Where = Record<string, { all: boolean; names: readonly string[] }>;

/** The lists of pages, but for the search, which changes nothing. */
const PAGE_LISTS: Where = {
  "src/pool/page-lists.ts": { all: true, names: ["findList"] },
  "src/pool/rebuild-lru.ts": { all: true, names: [] },
};

/** What gives memory back: by what drivers call of it. */
function givenBack(...names: string[]): Where {
  // What refuses to be given cannot be tried here.
  if (!CAN_GIVE_BACK) return {};
  return { "src/pool/given-back.ts": { all: false, names: [...names, "take", "mark", "repair"] } };
}

/** In allocators. */
export const DRIVERS_WHERE: Readonly<Record<DriverName, Where>> = {
  zbud: {
    "src/drivers/zbud/allocator.ts": { all: true, names: HARMLESS },
    "src/drivers/zbud/repair.ts": { all: true, names: [] },
    ...PAGE_LISTS,
    // Its allocator has methods of its own for the rest; these its repair uses.
    "src/pool/page-lists.ts": { all: false, names: ["putOnList", "putOnLru", "emptyLru", "emptyLists"] },
  },
  "size-classes": {
    "src/drivers/size-classes/allocator.ts": { all: true, names: HARMLESS },
    "src/drivers/size-classes/segments.ts": {
      all: true,
      // The memory of a pool that threads share can always be taken back.
      names: [
        "constructor",
        "of",
        "indexOf",
        "firstRowOf",
        "trim",
        "refuse",
        "metadataBytes",
        "touchedBytes",
        "stepOf",
        "headOf",
      ],
    },
    ...givenBack("give", "giveRun"),
    "src/drivers/size-classes/open-classes.ts": { all: true, names: ["liveClasses", "isRecordWhole"] },
    "src/drivers/size-classes/repair.ts": { all: true, names: [] },
    ...PAGE_LISTS,
  },
  slots: {
    "src/drivers/slots/allocator.ts": {
      all: true,
      names: ["repair", "objectAt", "listFor", "freeRecord", "isRecord", ...HARMLESS],
    },
    "src/drivers/slots/extras.ts": { all: true, names: [] },
    "src/drivers/slots/lists.ts": { all: true, names: ["takeOffListIfOn"] },
    "src/drivers/slots/repair.ts": { all: true, names: [] },
    ...PAGE_LISTS,
  },
  log: {
    "src/drivers/log/allocator.ts": {
      all: true,
      names: [
        "repair",
        "objectAt",
        "looseBytes",
        "roomInOpenPage",
        "allowPages",
        "emptiest",
        "planOfRelease",
        "listFor",
        "openBytes",
        "byteOf",
        ...HARMLESS,
      ],
    },
    "src/drivers/log/repair.ts": { all: true, names: [] },
    ...PAGE_LISTS,
  },
  zsmalloc: {
    "src/drivers/zsmalloc/allocator.ts": {
      all: true,
      names: ["repair", "objectAt", "leastFull", "looseBytes", ...HARMLESS],
    },
    "src/drivers/zsmalloc/groups.ts": {
      all: true,
      // All pages of a shared pool are there, so none is missing in a chain.
      names: ["constructor", "fullest", "trim", "pagesInUse", "listsOf", "untake", "touchedBytes"],
    },
    "src/drivers/zsmalloc/compaction.ts": {
      all: false,
      names: ["compact", "giveRows", "emptyOne", "move", "condense", "copy"],
    },
    "src/drivers/zsmalloc/repair.ts": { all: true, names: [] },
  },
};

const WHERE: Where = {
  // Those left out change nothing, are not used by shared pools, or only call others; abort is for exceptions.
  "src/pool/locked-allocator.ts": {
    all: true,
    names: [
      "constructor",
      "find",
      "place",
      "startReclaim",
      "positions",
      "pageBytesOf",
      "pageBytes",
      "endReclaims",
      "trim",
      "isBusy",
      "looks",
      "touchedBytes",
      "repair",
      "recover",
      "threadGone",
      "lookForDead",
      ...WALKS,
    ],
  },
  ...givenBack("step", "give", "giveRun"),
  "src/base/lock.ts": { all: false, names: ["release", "takesFromDead"] },
  "src/base/thread-registry.ts": { all: false, names: ["enter", "leave"] },
};

/** What a point calls, if the thread has set it. */
const HOOK = "globalThis.zbudPoint";

/** Writes the copy, in one file, into a folder. */
export async function instrument(folder: string, driver: DriverName = "zbud"): Promise<Instrumented> {
  const file = join(folder, "pool.mjs");
  const where = { ...WHERE, ...DRIVERS_WHERE[driver] };
  const points = await buildWithPoints(join(ROOT, `src/drivers/${DRIVERS[driver].poolFile}`), where, file);
  const worker = await oneFile(join(import.meta.dirname, "points-worker.ts"));
  return { driver, module: pathToFileURL(file).href, worker, points };
}

/** Writes a module and all that it imports to one file, with points in the chosen files. Gives the points. */
export async function buildWithPoints(input: string, where: Where, file: string): Promise<Point[]> {
  const points: Point[] = [];
  const texts = new Map(
    Object.entries(where).map(([path, which]) => [join(ROOT, path), withPoints(path, which, points)]),
  );
  const build = await rolldown({
    input,
    platform: "node",
    plugins: [
      {
        name: "points",
        load: (id: string) => {
          const code = texts.get(id);
          return code === undefined ? null : { code, moduleType: "ts" };
        },
      },
    ],
  });
  await build.write({ file, format: "esm", codeSplitting: false });
  await build.close();
  return points;
}

/** The text of a file with a call before each statement of the chosen functions, and at each block's end. */
function withPoints(path: string, { all, names }: Where[string], points: Point[]): string {
  const text = readFileSync(join(ROOT, path), "utf8");
  const insertions: { at: number; text: string }[] = [];
  const pointAt = (offset: number, name: string): string => {
    points.push({ where: `${path}:${lineOf(text, offset)} ${name}` });
    return `${HOOK}?.(${points.length - 1}); `;
  };

  const insertInto = (value: unknown, name: string): void => {
    if (Array.isArray(value)) {
      for (const each of value) insertInto(each, name);
    } else if (isNode(value) && value.type !== "CatchClause") {
      if (value.type === "BlockStatement") insertInList(value, name);
      for (const body of [value.body, value.consequent, value.alternate]) wrapLone(body, name);
      for (const child of Object.values(value)) insertInto(child, name);
    }
  };
  const insertInList = (block: SyntaxNode, name: string): void => {
    const list = block.body as SyntaxNode[];
    for (const statement of list) {
      insertions.push({ at: statement.start, text: pointAt(statement.start, name) });
      const source = text.slice(statement.start, endOf(statement));
      // What follows is no critical section any more.
      if (source.includes("this.#lock.release();")) return;
    }
    const last = list.at(-1);
    if (last !== undefined && last.type === "ExpressionStatement") {
      insertions.push({ at: endOf(last), text: ` ${pointAt(endOf(last), name)}` });
    }
  };
  /** `if (x) f();` becomes `if (x) { point(n); f(); }`. */
  const wrapLone = (body: unknown, name: string): void => {
    if (!isNode(body) || body.type !== "ExpressionStatement") return;
    insertions.push({ at: body.start, text: `{ ${pointAt(body.start, name)}` });
    insertions.push({ at: endOf(body), text: " }" });
  };

  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) visit(each);
    if (!isNode(value)) return;
    const name = functionName(value);
    if (name !== undefined) {
      if (names.includes(name) !== all)
        insertInto(value.type === "FunctionDeclaration" ? value.body : value.value, name);
      return;
    }
    for (const child of Object.values(value)) visit(child);
  };
  visit(parseAst(text, { lang: "ts" }, path));
  return applied(text, insertions);
}

function functionName(node: SyntaxNode): string | undefined {
  if (node.type === "FunctionDeclaration") return identifier(node.id);
  if (node.type !== "MethodDefinition" || !isNode(node.key)) return undefined;
  return String(node.key.name);
}

function endOf(node: SyntaxNode): number {
  return Number(node.end);
}

function applied(text: string, insertions: readonly { at: number; text: string }[]): string {
  let result = "";
  let from = 0;
  // Stable: at one offset, what was added first comes first.
  for (const insertion of [...insertions].sort((a, b) => a.at - b.at)) {
    result += text.slice(from, insertion.at) + insertion.text;
    from = insertion.at;
  }
  return result + text.slice(from);
}
