import { existsSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { defineConfig } from "vitepress";

/** Pages that come from docs/ and may be there or not yet. */
const SOURCE = join(import.meta.dirname, "..");
const there = <T extends { link: string }>(items: T[]): T[] =>
  items.filter(
    ({ link }) => existsSync(join(SOURCE, `${link}.md`)) || existsSync(join(SOURCE, link, "index.md")),
  );

/** Folders of the API that are a module, as `drivers/zbud`. */
const API = join(SOURCE, "api");
const MODULES = existsSync(API)
  ? readdirSync(API, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name === "index.md" && entry.parentPath !== API)
      .map((entry) => relative(API, entry.parentPath).split(sep).join("/"))
      .sort()
  : [];

const GUIDE = [
  {
    text: "Begin",
    items: there([
      { text: "Start in five minutes", link: "/start" },
      { text: "How it works", link: "/how-it-works" },
      { text: "Which cache to use", link: "/which-cache" },
    ]),
  },
  {
    text: "Guides",
    items: there([
      { text: "A cache for a server", link: "/guide/server" },
      { text: "Next.js", link: "/guide/next" },
      { text: "Workers and cluster", link: "/guide/threads" },
      { text: "Several machines", link: "/guide/machines" },
      { text: "A second tier", link: "/guide/second-tier" },
      { text: "Emulators, databases", link: "/guide/page-store" },
      { text: "Browsers", link: "/guide/browsers" },
      { text: "A data set in your browser", link: "/search" },
      { text: "The pool", link: "/guide/pool" },
    ]),
  },
  {
    text: "Moving from",
    items: there([
      { text: "lru-cache", link: "/from-lru-cache" },
      { text: "node-cache", link: "/guide/from-node-cache" },
      { text: "Keyv", link: "/guide/from-keyv" },
    ]),
  },
  {
    text: "Running it",
    items: there([
      { text: "Choosing settings", link: "/guide/settings" },
      { text: "zswap or zram", link: "/linux-swap" },
      { text: "Reading the counters", link: "/guide/counters" },
      { text: "Processes", link: "/processes" },
      { text: "All options", link: "/options" },
    ]),
  },
  {
    text: "Inside",
    items: there([
      { text: "Architecture", link: "/architecture" },
      { text: "Memory layout", link: "/memory-layout" },
      { text: "Backing stores", link: "/backing" },
      { text: "Decisions", link: "/decisions" },
      { text: "Benchmarks", link: "/benchmarks" },
      { text: "Tried by newcomers", link: "/walks" },
      { text: "Changes", link: "/changes" },
      { text: "Contributing", link: "/contributing" },
      { text: "Security", link: "/security" },
    ]),
  },
];

export default defineConfig({
  title: "zbud",
  description:
    "Compressed memory for JavaScript: more data in the same RAM, off the heap, within a hard limit.",
  lang: "en",
  head: [["link", { rel: "icon", href: "data:," }]],
  // Works at any address, from a folder of another site too.
  base: process.env.SITE_BASE ?? "/",
  outDir: "../dist",
  cacheDir: "../cache",
  // A dead link ends the build.
  ignoreDeadLinks: false,
  themeConfig: {
    nav: [
      { text: "Start", link: "/start" },
      { text: "How it works", link: "/how-it-works" },
      { text: "Benchmarks", link: "/benchmarks" },
      { text: "API", link: "/api/" },
    ],
    sidebar: {
      "/api/": [
        {
          text: "API",
          items: MODULES.map((name) => ({
            text: name,
            link: `/api/${name}/`,
          })),
        },
      ],
      "/": GUIDE,
    },
    outline: [2, 3],
    search: { provider: "local" },
  },
});
