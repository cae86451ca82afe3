import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { ROOT, readTree } from "./sources.ts";

const PAGES = readTree(
  ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs", "site"],
  [".md"],
);
/** What the site's build makes: see scripts/site.ts. */
const MADE = ["site/api", "site/viewer", "site/search-page"];

/** `[text](target)`, `href`, `src` and `link:` of a page, those in code left out. */
function linksOf(text: string): string[] {
  const prose = text.replaceAll(/```.*?```/gs, "").replaceAll(/`[^`\n]*`/g, "");
  const patterns = [/\]\(([^)\s]+)\)/g, /\b(?:href|src)="([^"]+)"/g, /^\s*link: (\S+)$/gm];
  return patterns.flatMap((pattern) => [...prose.matchAll(pattern)].map(([, target]) => target));
}

/** The anchors of a page's headings. */
function anchorsOf(text: string): Set<string> {
  const prose = text.replaceAll(/```.*?```/gs, "");
  return new Set(
    [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replaceAll(/\s/g, "-"),
    ),
  );
}

/** The file that a link leads to; null: the site's build makes it. */
function fileOf(page: string, target: string): string | null {
  const isSite = page.startsWith("site/");
  const base = target.startsWith("/") ? join("site", target) : join(dirname(page), target);
  const path = base.replace(/\/$/, "");
  if (MADE.some((made) => `${path}/`.startsWith(`${made}/`))) return null;
  if (existsSync(join(ROOT, path)) && !isSite) return path;
  // On the site, pages of docs/ lie beside those of site/.
  const candidates = [path, `${path}.md`, `${path.replace(/^site\//, "docs/")}.md`];
  return candidates.find((candidate) => PAGES.has(candidate)) ?? candidates[0];
}

describe("links", () => {
  for (const [page, text] of PAGES) {
    it(page, () => {
      for (const link of linksOf(text)) {
        if (/^https?:/.test(link)) {
          assert.ok(URL.canParse(link), link);
          continue;
        }
        const [target, anchor] = link.split("#");
        const file = target === "" ? page : fileOf(page, target);
        if (file === null) continue;
        assert.ok(existsSync(join(ROOT, file)), `${link}: there is no ${file}`);
        if (anchor === undefined || !file.endsWith(".md")) continue;
        const anchors = anchorsOf(readFileSync(join(ROOT, file), "utf8"));
        assert.ok(anchors.has(anchor), `${link}: ${file} has ${[...anchors].join(", ")}`);
      }
    });
  }

  const CODE = readTree(["src", "test", "bench", "scripts", "examples", "web", "site", "docs"], [""]);
  const AT_ROOT = [
    "package.json",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "extras/package.json",
  ];
  const ABOUT_CODE = [
    "docs/architecture.md",
    "docs/memory-layout.md",
    "docs/decisions.md",
    "docs/backing.md",
    "docs/benchmark-notes.md",
    "CONTRIBUTING.md",
  ];

  it("files and folders that a document names are there", () => {
    const paths = [...CODE.keys(), ...AT_ROOT].map((path) => `/${path}`);
    for (const page of ABOUT_CODE) {
      const text = PAGES.get(page) ?? "";
      for (const [, name] of text.matchAll(/`((?:[\w.-]+\/)*[\w.-]+\.(?:ts|md|json|pml))`/g)) {
        const isThere = paths.some((path) => path.endsWith(`/${name}`));
        assert.ok(isThere, `${page} names ${name}, and there is no such file`);
      }
      for (const [, name] of text.matchAll(/`((?:src|test|bench|scripts|examples|web|site|docs)\/[\w/-]*)`/g))
        assert.ok(
          /[A-Z]{2}/.test(name) || existsSync(join(ROOT, name)),
          `${page}: there is no folder ${name}`,
        );
    }
  });

  it("classes and functions that a document names are in the sources", () => {
    const words = new Set(
      [...CODE].filter(([path]) => path.endsWith(".ts")).flatMap(([, text]) => text.match(/[#\w$]+/g) ?? []),
    );
    for (const page of ["docs/architecture.md", "docs/memory-layout.md"]) {
      const text = (PAGES.get(page) ?? "").replaceAll(/```.*?```/gs, "");
      for (const [, name] of text.matchAll(/`(?:\w+\.)?([#A-Za-z]*[a-z][A-Z]\w*)(?:\([^`]*\))?`/g))
        assert.ok(words.has(name), `${page} names ${name}, and no source has it`);
    }
  });
});
