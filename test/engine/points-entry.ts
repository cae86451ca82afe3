/** What the numbered-point tests of the engine use of it, to be built in one file. */

export { slotsDriver } from "../../src/drivers/slots/index.ts";
export { zbudDriver } from "../../src/drivers/zbud/index.ts";
export { Engine, entryAttributes } from "../../src/engine/engine.ts";
export { openEngine } from "../../src/engine/open.ts";
