import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type PublicName, publicNames } from "./declarations.ts";
import { OPTIONS_PAGE, optionsPage } from "./options-table.ts";
import { ROOT, readArguments } from "./tools.ts";

/** Where the report lies. */
export const API_REPORT = "docs/api.txt";

/** Every public name with its signature, by entry; one that several entries have stands in the first of them. */
export function apiReport(names: Map<string, PublicName[]> = publicNames()): string {
  const first = new Map<string, string>();
  const parts: string[] = [];
  for (const [entry, list] of names) {
    const title = `zbud${entry.slice(1)}`;
    parts.push(`## ${title}\n`);
    for (const { name, declared, file, text } of list) {
      const key = `${file} ${declared} ${name}`;
      const where = first.get(key);
      if (where === undefined) first.set(key, title);
      parts.push(where === undefined ? `${text}\n` : `${name}: as in ${where}\n`);
    }
  }
  const all = new Set([...names.values()].flat().map(({ name }) => name));
  return `Public names of zbud, made by "npm run api": ${all.size} names in ${names.size} entries.\n\n${parts.join("\n")}`;
}

if (import.meta.main) {
  readArguments(`Usage: npm run api

Writes what is made of the public names: ${API_REPORT}, from their declarations, and ${OPTIONS_PAGE}, from the comments
of the options.`);
  writeFileSync(join(ROOT, API_REPORT), apiReport());
  writeFileSync(join(ROOT, OPTIONS_PAGE), optionsPage());
}
