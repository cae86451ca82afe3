/**
 * The second tier: where a cache or a page store moves what it evicts. In memory, in a file, in a file of the origin, or
 * in a store of Keyv's interface.
 *
 * @module
 */
export {
  type Backing,
  type BackingKey,
  type BackingStats,
  FileBacking,
  type FileBackingOptions,
  KeyvBacking,
  type KeyvBackingOptions,
  type KeyvLike,
  MemoryBacking,
  type MemoryBackingOptions,
  OpfsBacking,
  type OpfsBackingOptions,
  type SharedFileBacking,
  type StoredEntry,
  type WriteOutcome,
} from "../backing/index.ts";
