import { isSharedBuffer, notShared } from "../../base/index.ts";
import {
  inFolder,
  received,
  Segment,
  type SharedSegment,
  segmentOf,
  segmentPath,
  whenDifferentOption,
} from "../../memory/index.ts";
import { required } from "../system.ts";
import { type FileSettings, FileState } from "./file-state.ts";
import { drawGroup, groupIdOf, hasName, IndexGroup } from "./index-group.ts";
import {
  attachIndexWords,
  createIndexWords,
  fixedRanges,
  INDEX_LAYOUT,
  type IndexGeometry,
  type IndexWords,
  indexMemoryBytes,
  UNREAD,
  W_CLOSED,
} from "./index-words.ts";
import type { FileIo } from "./io.ts";
import type { FileBackingOptions, OpenSettings } from "./options.ts";
import { type OwnerNotes, takeOwnership } from "./owner.ts";

/** An index as it lies in memory that processes share. */
interface SharedIndex {
  readonly geometry: IndexGeometry;
  readonly index: SharedArrayBuffer;
}

/** A thread among those that share a file. */
export interface GroupPart {
  readonly state: FileState;
  readonly group: IndexGroup;
}

/**
 * Joins the processes that share a file under a name, or is the first of them. It does not use the file yet: see
 * {@link IndexGroup.enter}.
 *
 * @returns null: their memory was removed at this moment; begin anew.
 * @throws {ZbudError} `EBUSY` if somebody else has the file, or 127 threads are there; what {@link Segment.open} throws.
 */
export function joinGroup(
  { path, ...others }: FileSettings,
  file: number,
  io: FileIo,
  { shared, whenDifferent }: Pick<FileBackingOptions, "shared" | "whenDifferent">,
  geometry: IndexGeometry,
  options: OpenSettings,
): GroupPart | null {
  const identity = io.statSync(file);
  const memory = segmentPath("shared", shared);
  const taken: OwnerNotes[] = [];
  /** With the folder of the memory locked: whoever leaves last sees it, or it finds that one's memory and note gone. */
  const enter = (words: IndexWords): FileState => {
    taken.push(takeOwnership(path, identity, { id: groupIdOf(words), memory }));
    return new FileState({ path, ...others }, io, file, words, options.clock);
  };
  const wish = {
    name: shared,
    kind: "index" as const,
    layout: INDEX_LAYOUT,
    agreement: agreementOf(path, options),
    whenDifferent: whenDifferentOption(whenDifferent),
  };
  try {
    const { made: state, segment } = Segment.open<FileState | null>(
      wish,
      (made) => {
        const index = made.lockable(indexMemoryBytes(geometry), fixedRanges(geometry));
        const words = createIndexWords(geometry, index);
        words.header[W_CLOSED] = UNREAD;
        drawGroup(words);
        const sent: SharedIndex = { geometry, index };
        // Before it has the name: what others use under it stays if the file is not to be had.
        return { made: enter(words), shared: sent, threads: [words.header, words.registryAt] };
      },
      (sent, joined) => {
        const { index, geometry: theirs } = sent as SharedIndex;
        const words = attachIndexWords(index, theirs);
        return inFolder(joined.path, () => (hasName(joined) ? enter(words) : null));
      },
    );
    if (state !== null) return { state, group: new IndexGroup(state, io, segment, taken[0]) };
    segment.close();
    return null;
  } catch (error) {
    for (const notes of taken) notes.release();
    throw error;
  }
}

/** What all processes must agree about. */
function agreementOf(path: string, options: OpenSettings): Record<string, string | number | null> {
  const { maxBytes, averageBytes, unitBytes, whenFull, unclean, maxWriteBytesPerSecond } = options;
  return {
    file: required<typeof import("node:fs")>("node:fs", "a file").realpathSync(path),
    maxBytes,
    averageBytes,
    unitBytes,
    whenFull,
    unclean,
    maxWriteBytesPerSecond: maxWriteBytesPerSecond === 0 ? null : maxWriteBytesPerSecond,
  };
}

/**
 * Joins as another thread of a process that has joined, with what that one sent.
 *
 * @throws {ZbudError} `ECLOSED` if nobody uses the file any more; `EINVAL`, `EBADMSG`, `ENOENT`, `EBUSY`.
 */
export function attachGroup(
  settings: FileSettings,
  file: number,
  io: FileIo,
  sent: SharedSegment,
  clock: () => number,
): GroupPart {
  const { index, geometry } = received({ segment: sent }) as unknown as SharedIndex;
  if (!isSharedBuffer(index)) throw notShared("a file store", sent, index);
  const segment = segmentOf(index) as Segment;
  const taken: OwnerNotes[] = [];
  try {
    return inFolder(segment.path, () => {
      segment.check();
      const words = attachIndexWords(index, geometry);
      const group = { id: groupIdOf(words), memory: segment.path };
      taken.push(takeOwnership(settings.path, io.statSync(file), group));
      const state = new FileState(settings, io, file, words, clock);
      const part = { state, group: new IndexGroup(state, io, segment, taken[0]) };
      part.group.enterBeside();
      return part;
    });
  } catch (error) {
    for (const notes of taken) notes.release();
    segment.close();
    throw error;
  }
}
