export type {
  Backing,
  BackingKey,
  BackingRecord,
  BackingStats,
  ReadOptions,
  SharedBacking,
  WriteOutcome,
} from "./types.ts";
