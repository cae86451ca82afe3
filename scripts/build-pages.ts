import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "rolldown";
import { ROOT } from "./tools.ts";

/** A page of `web/` and the module that holds it, whole. */
export interface Page {
  folder: string;
  target: string;
  /** The HTML around it; default `page.html` of the folder. */
  template?: string;
  /** Name of the constant. */
  name: string;
  /** Style sheets, in order; those of packages are named as modules. */
  styles: string[];
  /** What the page may load, besides its own script and styles. */
  policy: string;
  /** What scripts may do besides: `'wasm-unsafe-eval'` for a page that compresses. */
  scriptPolicy?: string;
  /** Name of a constant with the policy, for a server to send; else it stands in the page. */
  policyName?: string;
}

/** A page with all that it needs. */
export interface BuiltPage {
  html: string;
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
  {
    folder: "web/viewer",
    target: "src/viewer/page.generated.ts",
    name: "VIEWER_PAGE",
    styles: ["node_modules/uplot/dist/uPlot.min.css", "web/shared/theme.css", "web/viewer/style.css"],
    policy: "img-src data:; connect-src 'self'; frame-ancestors 'none'",
    // It is a header, since a page cannot say of itself who may frame it.
    policyName: "VIEWER_POLICY",
  },
];

/** The viewer of the documentation site, which is written when that is built. */
export const DEMO: Omit<Page, "target" | "name"> = {
  folder: "web/demo",
  template: "web/viewer/page.html",
  styles: ["node_modules/uplot/dist/uPlot.min.css", "web/shared/theme.css", "web/viewer/style.css"],
  policy: "img-src data:; connect-src 'self'",
};

/** The page of the documentation site that has a data set in compressed memory, likewise. */
export const SEARCH: Omit<Page, "target" | "name"> = {
  folder: "web/search",
  styles: ["web/shared/theme.css", "web/search/style.css"],
  scriptPolicy: "'wasm-unsafe-eval'",
  policy: "img-src data:; connect-src 'self'",
};

/** Bundles a page into one HTML document. */
export async function buildPage(page: Omit<Page, "target" | "name">): Promise<BuiltPage> {
  const { folder, styles, policy, policyName, scriptPolicy = "", template = `${folder}/page.html` } = page;
  const { output } = await build({
    input: join(ROOT, folder, "main.ts"),
    platform: "browser",
    write: false,
    logLevel: "warn",
    treeshake: { moduleSideEffects: (id) => id.includes("/web/") },
    output: { format: "esm", minify: true, comments: false, codeSplitting: false },
  });
  const script = output[0].code.trim().replaceAll("</script", "<\\/script");
  const style = styles.map((file) => readFileSync(join(ROOT, file), "utf8").trim()).join("\n");
  const csp = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'${scriptPolicy === "" ? "" : ` ${scriptPolicy}`}`,
    "style-src 'unsafe-inline'",
    "base-uri 'none'",
    "form-action 'none'",
    policy,
  ].join("; ");
  const meta = policyName === undefined ? `<meta http-equiv="Content-Security-Policy" content="${csp}">` : "";
  const html = readFileSync(join(ROOT, template), "utf8")
    .replace("<!--policy-->", () => meta)
    .replace("<!--style-->", () => `<style>${style}</style>`)
    .replace("<!--script-->", () => `<script type="module">${script}</script>`);
  return { html, policy: csp };
}

function hashOf(script: string): string {
  return `sha256-${createHash("sha256").update(script).digest("base64")}`;
}

/** The TypeScript file that embeds a page. */
export function embedPage({ folder, name, policyName }: Page, { html, policy }: BuiltPage): string {
  const said =
    policyName === undefined
      ? ""
      : `
/** What the page may load: its Content-Security-Policy. */
export const ${policyName}: string =
  ${JSON.stringify(policy)};
`;
  return `// Made by \`node scripts/build-pages.ts\` from ${folder}/. Do not edit.

/** The page, ${html.length} characters; its scripts and styles are in it. */
export const ${name}: string =
  ${JSON.stringify(html)};
${said}`;
}

if (import.meta.main) {
  for (const page of PAGES) {
    const built = await buildPage(page);
    writeFileSync(join(ROOT, page.target), embedPage(page, built));
    console.log(`${page.target}: ${built.html.length} characters`);
  }
}
