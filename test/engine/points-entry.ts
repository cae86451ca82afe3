/** What the numbered-point tests of the engine use of it, to be built in one file. */

import { zbudDriver } from "../../src/drivers/zbud/index.ts";
import { registerDriver } from "../../src/pool/index.ts";

// A bundler leaves out what is imported for its effects only.
registerDriver(zbudDriver);

export { Engine, entryAttributes } from "../../src/engine/engine.ts";
export { openEngine } from "../../src/engine/open.ts";
