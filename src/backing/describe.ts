import { bytesText, countText } from "../base/index.ts";
import type { BackingStats } from "./types.ts";

/**
 * A backing store in a line, for people.
 *
 * @param what - the class, and of which file or namespace.
 */
export function describeBacking(what: string, isClosed: boolean, stats: BackingStats): string {
  if (isClosed) return `${what} (closed)`;
  const { records, bytesUsed, maxBytes, bytesInFlight, isDown, fullOf, maxRecords } = stats;
  const limit = maxBytes === Number.POSITIVE_INFINITY ? "" : ` of at most ${bytesText(maxBytes)}`;
  const parts = records < 0 ? [] : [`${countText(records)} records in ${bytesText(bytesUsed)}${limit}`];
  if (bytesInFlight > 0 || records < 0) parts.push(`${bytesText(bytesInFlight)} under way`);
  if (fullOf === "bytes") parts.push("full of bytes");
  if (fullOf === "records")
    parts.push(`full: its index has ${countText(maxRecords ?? records)} records at most`);
  if (isDown) parts.push("out of reach");
  return `${what}: ${parts.join(", ")}`;
}
