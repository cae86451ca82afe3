import { access, constants, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { ZbudError } from "../base/index.ts";
import type { Estimate } from "../estimate/index.ts";
import { printable } from "./printable.ts";
import { REPORT_PAGE } from "./report-page.generated.ts";

const IN_PLACE: ReadonlySet<string | undefined> = new Set(["EACCES", "EPERM", "EBUSY", "EROFS", "EXDEV"]);

/**
 * Estimates as one HTML page that needs nothing else: no network, no other file. Names from outside are text
 * in it, whatever characters they have.
 */
export function estimateHtml(estimates: readonly Estimate[]): string {
  const [{ input, advice }] = estimates;
  const data = { version: packageJson.version, estimates };
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

/**
 * Says before the work whether the page can be written after it.
 *
 * @throws {ZbudError} `ENOENT`, `EACCES` or `EINVAL`.
 */
export async function checkTarget(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found?.isDirectory()) {
    throw new ZbudError("EINVAL", `--html takes the name of a file to write, and ${file} is a folder`);
  }
  try {
    await access(found === null ? dirname(file) : file, constants.W_OK);
  } catch (error) {
    throw cannotWrite(file, error);
  }
}

/**
 * Writes the page. An older one stays until it is complete.
 *
 * @throws {ZbudError} `ENOENT` or `EACCES` if it cannot be written.
 */
export async function writePage(file: string, html: string): Promise<void> {
  const { replaceFile } = await import("../backing/index.ts");
  try {
    const found = await stat(file).catch(() => null);
    if (found === null || found.isFile()) {
      const bytes = new TextEncoder().encode(html);
      await replaceFile(file, undefined, (write) => write(bytes), 0o666);
      return;
    }
  } catch (error) {
    // A file that may be written in a folder that takes no other one, or that is mounted by itself.
    if (!IN_PLACE.has((error as NodeJS.ErrnoException).code)) throw cannotWrite(file, error);
  }
  try {
    await writeFile(file, html);
  } catch (error) {
    throw cannotWrite(file, error);
  }
}

function cannotWrite(file: string, error: unknown): ZbudError {
  const { code } = error as NodeJS.ErrnoException;
  const missing = code === "ENOENT";
  const why = missing ? "there is no such folder" : `the system says ${code}`;
  return new ZbudError(
    missing ? "ENOENT" : "EACCES",
    `--html ${file} cannot be written: ${why}; name another file`,
    { cause: error },
  );
}
