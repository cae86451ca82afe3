export {
  type CoherenceListener,
  type CoherentBacking,
  type CoherentStore,
  type CoherentView,
  type FleetLock,
  isCoherent,
  type RecordHead,
  type TagName,
} from "./coherence.ts";
export { describeBacking } from "./describe.ts";
export { FileBacking, type SharedFileBacking } from "./file/file-backing.ts";
export type { FileIo } from "./file/io.ts";
export type { FileBackingOptions } from "./file/options.ts";
export type { FileInside } from "./file/record-file.ts";
export { verifyFileIndex } from "./file/verify.ts";
export type { KeyvLike } from "./keyv/client.ts";
export { KeyvBacking, type KeyvBackingOptions } from "./keyv/keyv-backing.ts";
export { MemoryBacking, type MemoryBackingOptions } from "./memory.ts";
export { OpfsBacking, type OpfsBackingOptions } from "./opfs/opfs-backing.ts";
export type { OpfsAccess, OpfsDirectory } from "./opfs/opfs-io.ts";
export type { KeyQueues } from "./queued/key-queues.ts";
export { QueuedBacking } from "./queued/queued-backing.ts";
export { isRefusal } from "./refusal.ts";
export { replaceFile } from "./replace-file.ts";
export { checkSameBacking, claimBacking } from "./same-backing.ts";
export { faultOf, required } from "./system.ts";
export type {
  Backing,
  BackingKey,
  BackingStats,
  FullOf,
  ReadOptions,
  SharedBacking,
  StoredEntry,
  WriteOutcome,
} from "./types.ts";
