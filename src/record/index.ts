export {
  BLOCK_BYTES,
  BlockKind,
  blockCount,
  blockLength,
  bytesOfBlock,
  checkTable,
  decodeBlocks,
  isInBlocks,
  kindOfBlock,
  setBlock,
  tableBytes,
  VALUE_BYTES_MAX,
} from "./blocks.ts";
export {
  checkKey,
  checkRecord,
  decodeRecord,
  encodeRecord,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  recordBytes,
  recordBytesAt,
  sealRecord,
} from "./record-format.ts";
export {
  type BackingKey,
  contentBytes,
  decodeValue,
  emptyRecord,
  hasName,
  type StoredEntry,
} from "./stored-entry.ts";
