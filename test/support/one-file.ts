import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { rolldown } from "rolldown";
import { temporaryFolder } from "../../scripts/tools.ts";

const built = new Map<string, Promise<string>>();

/**
 * A program and all that it imports in one file, made once: a thread starts with it in a fifth of the time that it takes
 * with the sources.
 *
 * @returns its URL.
 */
export function oneFile(input: string): Promise<string> {
  const found = built.get(input) ?? build(input);
  built.set(input, found);
  return found;
}

async function build(input: string): Promise<string> {
  const file = join(temporaryFolder("program"), "program.mjs");
  const bundle = await rolldown({ input, platform: "node" });
  await bundle.write({ file, format: "esm", codeSplitting: false });
  await bundle.close();
  return pathToFileURL(file).href;
}
