import { checkHeld, openAndClose } from "../test/memory/cycles.ts";
import { numberOption, readOptions } from "./tools.ts";

const USAGE = `Usage: npm run soak:segments -- [--cycles N]

Opens and closes caches, page stores and pools that processes share, in turn: made, joined, replaced, removed and
refused. Fails if descriptors, mappings, memory or addresses are left behind.
  --cycles N  how many (default 10,000), after 5,000 that are not counted`;

const WARM_UP = 5000;

const values = readOptions(USAGE, ["cycles"]);
const cycles = numberOption(USAGE, "cycles", values.cycles, 10_000);
const looked = (done: number, now: object): void => {
  if (done % 1000 === 0) console.log(done, JSON.stringify(now));
};
const report = await openAndClose(cycles, looked, WARM_UP);
console.log(JSON.stringify(report));
checkHeld(report);
