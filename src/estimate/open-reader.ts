import { ZbudError } from "../base/index.ts";
import { type ByteSource, type FileListing, listFiles } from "./files.ts";
import { checkInput, type EstimateInput } from "./input.ts";
import type { Settings } from "./options.ts";
import { openGroup } from "./process-group.ts";
import type { Progress } from "./progress.ts";
import { counted, type Reader } from "./reader.ts";
import { SourceReader } from "./source-reader.ts";
import { StreamReader } from "./stream-reader.ts";

/**
 * Opens an input and plans which of it to read.
 *
 * @throws {ZbudError} what {@link checkInput}, {@link listFiles} and {@link openGroup} throw; `EINVAL` for an
 *   input that is empty.
 */
export async function openReader(
  input: EstimateInput,
  settings: Settings,
  progress: Progress,
): Promise<Reader> {
  checkInput(input);
  const { paths = [], pid, stream, bytes } = input;
  if (stream !== undefined) return new StreamReader(stream, input.label ?? "a stream", settings);
  if (bytes !== undefined) {
    return new SourceReader([bytesSource(bytes)], null, null, input.label ?? "bytes", settings);
  }
  const listing = await listFiles(paths, progress);
  const scoped = pid !== undefined || input.cgroup !== undefined || input.system === true;
  const group = scoped ? await openGroup(input, progress, input.processHost ?? {}) : null;
  const label = input.label ?? [...paths, ...scopeLabel(input)].join(", ");
  if (listing.bytes === 0 && group === null) throw emptyError(listing, label);
  return new SourceReader([...listing.files, ...(group?.memories ?? [])], listing, group, label, settings);
}

function scopeLabel({ pid, cgroup, system, cold }: EstimateInput): string[] {
  const which = cold === undefined ? "" : ", what is cold";
  if (pid !== undefined) return [`process ${pid}${which}`];
  if (cgroup !== undefined) return [`control group ${cgroup}${which}`];
  return system === true ? [`memory of all processes${which}`] : [];
}

function emptyError(listing: FileListing, label: string): ZbudError {
  const { empty, unreadable, special, symlinks } = listing.skipped;
  const found = [
    counted(empty, "empty file"),
    counted(unreadable, "that cannot be read", "that cannot be read"),
    counted(symlinks, "symbolic link"),
    counted(special, "special file"),
  ].filter((text) => text !== "");
  const what = found.length === 0 ? "it is empty" : `only ${found.join(", ")}`;
  return new ZbudError("EINVAL", `nothing to estimate in ${label}: ${what}`);
}

function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    bytes: bytes.length,
    read(into, at, length, position) {
      into.set(bytes.subarray(position, position + length), at);
      return Math.min(length, bytes.length - position);
    },
    close() {},
  };
}
