/** What the numbered-point tests of the engine use of it, to be built in one file. */

export { logDriver } from "../../src/drivers/log/index.ts";
export { slotsDriver } from "../../src/drivers/slots/index.ts";
export { zbudDriver } from "../../src/drivers/zbud/index.ts";
export { BlockPacker } from "../../src/engine/block-packer.ts";
export { ColdPass } from "../../src/engine/cold-pass.ts";
export { Engine } from "../../src/engine/engine.ts";
export { migrationOf } from "../../src/engine/migration.ts";
export { openEngine } from "../../src/engine/open.ts";
export { entryAttributes } from "../../src/engine/parts.ts";
export { Recompressor } from "../../src/engine/recompressor.ts";
export { RowPacker, shrinkBytes } from "../../src/engine/shrinking.ts";
export {
  endWriteback,
  startWriteback,
  startWritebackOf,
  startWritingAhead,
  unmark,
  writeListed,
} from "../../src/engine/writeback-marks.ts";
