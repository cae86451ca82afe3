import packageJson from "../../package.json" with { type: "json" };
import type { Estimate, KernelEstimate } from "../estimate/index.ts";
import { printable } from "./printable.ts";
import { REPORT_PAGE } from "./report-page.generated.ts";

/** What a page says: estimates of data, or one for the kernel. */
export type ReportContent = { estimates: readonly Estimate[] } | { kernel: KernelEstimate };

/**
 * Estimates as one HTML page that needs nothing else: no network, no other file. Names from outside are text
 * in it, whatever characters they have.
 */
export function estimateHtml(content: ReportContent): string {
  const { input, advice } = "kernel" in content ? content.kernel : content.estimates[0];
  const data = { version: packageJson.version, ...content };
  const parts: Record<string, string> = {
    title: escaped(`${printable(input.label)} · zbud estimate`),
    summary: escaped(`${printable(input.label)}. Advice: ${advice.text}. The figures need JavaScript.`),
    // Whatever is in it, no tag begins or ends here.
    data: JSON.stringify(data).replaceAll("<", "\\u003c"),
  };
  return REPORT_PAGE.replaceAll(/<!--(title|summary|data)-->/g, (_all, name: string) => parts[name]);
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
