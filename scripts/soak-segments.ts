import { checkHeld, openAndClose } from "../test/memory/cycles.ts";
import { numberOption, readOptions } from "./tools.ts";

const USAGE = `Usage: npm run soak:segments -- [--cycles N]

Opens and closes caches, page stores and pools that processes share, in turn: made, joined, replaced, removed and
refused. Fails if descriptors, mappings, memory or addresses are left behind.
  --cycles N  how many (default 10,000)`;

const values = readOptions(USAGE, ["cycles"]);
const cycles = numberOption(USAGE, "cycles", values.cycles, 10_000);
const report = await openAndClose(cycles, (done, now) => {
  if (done % 1000 === 0) console.log(done, JSON.stringify(now));
});
console.log(JSON.stringify(report));
checkHeld(report);
