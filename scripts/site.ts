import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { buildPage, DEMO, SEARCH } from "./build-pages.ts";
import { compatLines } from "./compat-lines.ts";
import {
  bin,
  filesUnder,
  installFolder,
  ROOT,
  type RunResult,
  readArguments,
  runNode,
  runSteps,
} from "./tools.ts";

readArguments(`Usage: npm run site

Builds the documentation site into site/build/dist: pages of site/, those of docs/ as they are, the API from the
sources, a viewer that plays a trace, and a search in compressed memory. A dead link, or a name that the API cannot resolve, ends it.`);

const SOURCE = join(ROOT, "site/build/src");
/** The workload that the embedded viewer plays. */
const TRACE = "test/fixtures/traces/uniform-evict-all.jsonl";

/** Parts of MDN's browser compatibility data that the search has. */
const SEARCHED = ["css", "html", "http", "javascript"];

const { name: NAME, exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  name: string;
  exports: Record<string, string | { default: string }>;
};

rmSync(join(ROOT, "site/build"), { recursive: true, force: true });
if (!installFolder("site")) process.exit(1);
await runSteps([
  { name: "pages", run: copyPages },
  { name: "viewer", run: writeViewer },
  { name: "API", run: writeApi },
  { name: "search", run: writeSearch },
  {
    name: "site",
    run: () => runNode([bin("vitepress", "vitepress", "site"), "build", SOURCE], { capture: true }),
  },
  { name: "links", run: checkLinks },
]);
console.log("site/build/dist is the site");

function copyPages(): RunResult {
  mkdirSync(SOURCE, { recursive: true });
  for (const name of readdirSync(join(ROOT, "site"))) {
    if (
      [
        "node_modules",
        "build",
        "package.json",
        "package-lock.json",
        "tsconfig.json",
        "typedoc.json",
        "typedoc-modules.mjs",
      ].includes(name)
    )
      continue;
    cpSync(join(ROOT, "site", name), join(SOURCE, name), { recursive: true });
  }
  for (const file of filesUnder("docs", ".md")) copyPage(file, file.slice("docs/".length));
  copyPage("CHANGELOG.md", "changes.md");
  copyPage("CONTRIBUTING.md", "contributing.md");
  copyPage("SECURITY.md", "security.md");
  return { ok: true, output: "" };
}

/** Links between the repository's documents become links between pages; those to examples lead to their text. */
function copyPage(file: string, page: string): void {
  if (existsSync(join(SOURCE, page))) throw new Error(`${file} and a page of site/ have one name: ${page}`);
  const text = readFileSync(join(ROOT, file), "utf8")
    .replaceAll(/\]\((?:\.\.\/)?CONTRIBUTING\.md/g, "](contributing.md")
    .replaceAll(/\]\((?:\.\.\/)?CHANGELOG\.md/g, "](changes.md")
    .replaceAll("](docs/", "](")
    .replaceAll(/\]\((?:\.\.\/)?(examples\/[^)#]+)\)/g, (_, example: string) => {
      // As .txt, which every browser shows: it takes .ts for a film.
      const copy = join(SOURCE, "public", `${example}.txt`);
      mkdirSync(dirname(copy), { recursive: true });
      cpSync(join(ROOT, example), copy);
      return `](/${example}.txt)`;
    });
  writeFileSync(join(SOURCE, page), text);
}

async function writeViewer(): Promise<RunResult> {
  const { html } = await buildPage(DEMO);
  const folder = join(SOURCE, "public/viewer");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "index.html"), html);
  cpSync(join(ROOT, TRACE), join(folder, "trace.jsonl"));
  return { ok: true, output: "" };
}

/** The page that has a data set in compressed memory. */
async function writeSearch(): Promise<RunResult> {
  const { html } = await buildPage(SEARCH);
  const folder = join(SOURCE, "public/search-page");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "index.html"), html);
  writeFileSync(join(folder, "features.jsonl"), `${compatLines(SEARCHED).join("\n")}\n`);
  return { ok: true, output: "" };
}

/** One module for each entry of the package. */
function writeApi(): RunResult {
  const [root, ...others] = Object.values(exports).flatMap((target) =>
    typeof target === "string" ? [] : [target.default.replace("./dist/", "../src/").replace(/\.js$/, ".ts")],
  );
  // The root has what others have: a name is described where it comes from, and the root refers to it.
  const entries = [...others, root];
  const typedoc = join(ROOT, "site/node_modules/typedoc/bin/typedoc");
  const out = ["--out", join(SOURCE, "api")];
  const made = runNode([typedoc, "--options", "typedoc.json", ...out, ...entries], {
    cwd: join(ROOT, "site"),
    capture: true,
  });
  return made.ok ? checkApi() : made;
}

/** Every link of a page leads to a file of the site, and to a place that is in it: VitePress looks at pages only. */
function checkLinks(): RunResult {
  const dist = "site/build/dist";
  const base = process.env.SITE_BASE ?? "/";
  const pages = new Map<string, string>();
  for (const file of filesUnder(dist, ".html"))
    pages.set(file.slice(dist.length + 1), readFileSync(join(ROOT, file), "utf8"));
  const dead: string[] = [];
  for (const [page, text] of pages) {
    for (const [, link] of text.matchAll(/<a\b[^>]*?\shref="([^"]*)"/g)) {
      if (/^(?:[a-z]+:|#VPContent$)/.test(link)) continue;
      const [path, anchor = ""] = link.split("#");
      let target = path === "" ? page : posix.join(path.startsWith("/") ? "" : dirname(page), path);
      if (path.startsWith("/")) target = path.startsWith(base) ? path.slice(base.length) : `..${path}`;
      if (target === "" || target.endsWith("/")) target += "index.html";
      const isThere = existsSync(join(ROOT, dist, target)) && !target.startsWith("..");
      const place = `id="${decodeURIComponent(anchor)}"`;
      if (!isThere || (anchor !== "" && !pages.get(target)?.includes(place)))
        dead.push(`${page}: nothing is at ${link}`);
    }
  }
  return { ok: dead.length === 0, output: dead.map((line) => `${line}\n`).join("") };
}

/** Modules have the names that one imports; methods stand before the rest, and what is no user's is not there. */
function checkApi(): RunResult {
  const wrong: string[] = [];
  for (const key of Object.keys(exports).filter((name) => !name.endsWith(".json"))) {
    const name = join(NAME, key);
    const page = join(SOURCE, "api", name, "index.md");
    if (!existsSync(page)) wrong.push(`there is no page of ${name}`);
    else if (!readFileSync(page, "utf8").startsWith(`# ${name}\n`)) wrong.push(`${page} has another title`);
  }
  for (const file of filesUnder("site/build/src/api", ".md")) {
    const text = readFileSync(join(ROOT, file), "utf8");
    if (/`protected`|^> \*\*\w*[pP]rotected/m.test(text)) wrong.push(`${file} has protected members`);
    const [methods, rest] = [text.search(/^## Methods$/m), text.search(/^## (?:Accessors|Properties)$/m)];
    if (rest >= 0 && methods > rest) wrong.push(`${file} has methods at its end`);
  }
  return { ok: wrong.length === 0, output: wrong.map((line) => `${line}\n`).join("") };
}
