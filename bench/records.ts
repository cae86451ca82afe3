import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Small similar JSON records, real ones: the support statements of MDN's browser compatibility data. */
export function jsonRecords(bytesMin: number, maxBytes: number): Uint8Array[] {
  const file = createRequire(import.meta.url).resolve("@mdn/browser-compat-data");
  const records: Uint8Array[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      if (key !== "__compat") {
        walk(value);
        continue;
      }
      const record = Buffer.from(JSON.stringify(value));
      if (record.length >= bytesMin && record.length <= maxBytes) records.push(Uint8Array.from(record));
    }
  };
  walk(JSON.parse(readFileSync(file, "utf8")));
  return records;
}
