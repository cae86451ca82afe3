import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "rolldown";
import { ROOT } from "./tools.ts";

/** A page of `web/` and the module that holds it, whole. */
export interface Page {
  folder: string;
  target: string;
  /** Name of the constant. */
  name: string;
  /** Style sheets, in order; those of packages are named as modules. */
  styles: string[];
  /** What the page may load, besides its own script and styles. */
  policy: string;
}

/** All pages. */
export const PAGES: Page[] = [
  {
    folder: "web/report",
    target: "src/cli/report-page.generated.ts",
    name: "REPORT_PAGE",
    styles: ["node_modules/uplot/dist/uPlot.min.css", "web/shared/theme.css", "web/report/style.css"],
    policy: "img-src data:",
  },
];

/** Bundles a page into one HTML document. */
export async function buildPage({ folder, styles, policy }: Page): Promise<string> {
  const { output } = await build({
    input: join(ROOT, folder, "main.ts"),
    platform: "browser",
    write: false,
    logLevel: "warn",
    output: { format: "iife", minify: true, comments: false },
  });
  const script = output[0].code.trim().replaceAll("</script", "<\\/script");
  const style = styles.map((file) => readFileSync(join(ROOT, file), "utf8").trim()).join("\n");
  const csp = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    "style-src 'unsafe-inline'",
    "base-uri 'none'",
    "form-action 'none'",
    policy,
  ].join("; ");
  return readFileSync(join(ROOT, folder, "page.html"), "utf8")
    .replace("<!--policy-->", () => `<meta http-equiv="Content-Security-Policy" content="${csp}">`)
    .replace("<!--style-->", () => `<style>${style}</style>`)
    .replace("<!--script-->", () => `<script>${script}</script>`);
}

function hashOf(script: string): string {
  return `sha256-${createHash("sha256").update(script).digest("base64")}`;
}

/** The TypeScript file that embeds a page. */
export function embedPage({ folder, name }: Page, html: string): string {
  return `// Made by \`node scripts/build-pages.ts\` from ${folder}/. Do not edit.

/** The page, ${html.length} characters; its scripts and styles are in it. */
export const ${name}: string =
  ${JSON.stringify(html)};
`;
}

if (import.meta.main) {
  for (const page of PAGES) {
    const html = await buildPage(page);
    writeFileSync(join(ROOT, page.target), embedPage(page, html));
    console.log(`${page.target}: ${html.length} characters`);
  }
}
