import { ZbudError } from "../base/index.ts";
import { type ByteSource, type FileListing, listFiles } from "./files.ts";
import { checkInput, type EstimateInput } from "./input.ts";
import type { Settings } from "./options.ts";
import { openProcess } from "./process-memory.ts";
import type { Progress } from "./progress.ts";
import { counted, type Reader } from "./reader.ts";
import { SourceReader } from "./source-reader.ts";
import { StreamReader } from "./stream-reader.ts";

/**
 * Opens an input and plans which of it to read.
 *
 * @throws {ZbudError} what {@link checkInput}, {@link listFiles} and {@link openProcess} throw; `EINVAL` for an
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
  const memory = pid === undefined ? null : await openProcess(pid, progress, input.processHost);
  const label = input.label ?? [...paths, ...(pid === undefined ? [] : [`process ${pid}`])].join(", ");
  if (listing.bytes === 0 && memory === null) throw emptyError(listing, label);
  const sources: ByteSource[] = memory === null ? listing.files : [...listing.files, memory];
  return new SourceReader(sources, listing, memory, label, settings);
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
