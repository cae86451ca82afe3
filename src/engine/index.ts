export type { Engine } from "./engine-api.ts";
export type {
  Companion,
  EngineOptions,
  EngineStats,
  EntryAttributes,
  EvictionOrder,
  FoundEntry,
  OnEvict,
  OnRemoved,
  PutResult,
  RemovalReason,
  SharedEngine,
  StoredValue,
} from "./types.ts";
