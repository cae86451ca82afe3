/** What the numbered-point tests of the engine use of it, to be built in one file. */

export { slotsDriver } from "../../src/drivers/slots/index.ts";
export { zbudDriver } from "../../src/drivers/zbud/index.ts";
export { ColdPass } from "../../src/engine/cold-pass.ts";
export { Engine, entryAttributes } from "../../src/engine/engine.ts";
export { migrationOf } from "../../src/engine/migration.ts";
export { openEngine } from "../../src/engine/open.ts";
export { Recompressor } from "../../src/engine/recompressor.ts";
export { endWriteback, startWriteback, startWritebackOf } from "../../src/engine/writeback-marks.ts";
