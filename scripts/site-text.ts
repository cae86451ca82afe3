import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A part of a page under one heading. */
export interface SiteSection {
  /** From the site's root: `guide/server.html#with-express`. */
  path: string;
  title: string;
  text: string;
}

/** The sections of Markdown pages, without their markup. `pages` are paths below `folder`. */
export function sectionsOf(folder: string, pages: readonly string[]): SiteSection[] {
  return pages.flatMap((page) => {
    const text = readFileSync(join(folder, page), "utf8").replace(/^---\n.*?\n---\n/s, "");
    const path = page.replace(/\.md$/, ".html");
    let title = page;
    return text.split(/^(?=#{1,3} )/m).flatMap((part) => {
      const [, level, heading] = /^(#{1,3}) (.+)$/m.exec(part) ?? [];
      if (heading === undefined) return [];
      const name = plain(heading);
      if (level === "#") title = name;
      const body = plain(part.slice(part.indexOf("\n") + 1));
      if (body === "") return [];
      const anchor = level === "#" ? "" : `#${anchorOf(heading)}`;
      return [{ path: path + anchor, title: level === "#" ? name : `${title}: ${name}`, text: body }];
    });
  });
}

/** Text without links, tables and marks. */
function plain(markdown: string): string {
  return markdown
    .replaceAll(/```\w*\n?/g, "")
    .replaceAll(/<[^>\n]+>/g, " ")
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/^\|[\s|:-]+\|$/gm, "")
    .replaceAll(/[`*|\\]|^\s*[>#-]+ /gm, " ")
    .replaceAll(/\s+/g, " ")
    .trim();
}

/** As VitePress makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s+/g, "-");
}
