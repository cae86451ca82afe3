export { BlockPacker } from "./block-packer.ts";
export { BlockReader } from "./block-reader.ts";
export { type ColdCodecs, ColdPass } from "./cold-pass.ts";
export { Engine } from "./engine.ts";
export {
  AGE_ENDS,
  type EntryFigures,
  EntryWalk,
  keyOfRow,
  type SeenEntry,
  SIZE_STEPS,
} from "./entry-walk.ts";
export type { Eviction } from "./eviction/index.ts";
export { follow } from "./follow.ts";
export { LISTED_WORDS, listEntries, readListed } from "./listing.ts";
export { MEMORY_CHANNEL, type MemoryDecision, type MemoryFollower } from "./memory-follower.ts";
export { migrationOf } from "./migration.ts";
export { ENGINE_LAYOUT, emptyEntry } from "./open.ts";
export { driversOf, type EngineShape, shapeOf } from "./options.ts";
export { onePool } from "./pages.ts";
export { type EngineInside, entryAttributes } from "./parts.ts";
export { Recompressor, type RecompressorRules } from "./recompressor.ts";
export { touchedAtRandom } from "./resident.ts";
export { shrinkBytes } from "./shrinking.ts";
export { W_ENTRIES } from "./table.ts";
export {
  beginGrace,
  distrust,
  noteChange,
  noteSame,
  type Trust,
  trustAgain,
  trustOf,
  versionsOf,
} from "./trust.ts";
export type {
  EngineHooks,
  EngineOptions,
  EngineStats,
  EntryAttributes,
  FoundEntry,
  OnEvict,
  PutResult,
  RemovalReason,
  SecondaryIndex,
  SharedEngine,
} from "./types.ts";
export { type Guard, Look } from "./types.ts";
export { verifyShard } from "./verify.ts";
export {
  type AheadLimits,
  dirtyCount,
  dirtyRows,
  endWriteback,
  listedBytes,
  rowsBeingWritten,
  startWriteback,
  startWritebackOf,
  startWritingAhead,
  unmark,
  writeListed,
} from "./writeback-marks.ts";
