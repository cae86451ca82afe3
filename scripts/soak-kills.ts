import { join } from "node:path";
import { killProcesses } from "../test/backing/file-kills.ts";
import { numberOption, readOptions, temporaryFolder } from "./tools.ts";

const USAGE = `Usage: npm run soak:kills -- [--kills N] [--seed N] [--seconds N]

Kills processes at random moments while they work with a file store, opens the file again after each, and
compares every byte with what was flushed.
  --kills N    how many (default 100)
  --seed N     of the first round of 20 (default: from the clock, and printed)
  --seconds N  ends earlier after this time`;

/** Kills on one file: a round that fails is shorter to repeat than the whole. */
const KILLS_A_ROUND = 20;

async function main(): Promise<void> {
  const values = readOptions(USAGE, ["kills", "seed", "seconds"]);
  const kills = numberOption(USAGE, "kills", values.kills, 100);
  const seedFirst = numberOption(USAGE, "seed", values.seed, (Date.now() % 2 ** 20) + 1);
  const seconds = numberOption(USAGE, "seconds", values.seconds, 24 * 3600);
  const folder = temporaryFolder("kills");
  const start = performance.now();
  const secondsLeft = (): number => seconds - (performance.now() - start) / 1000;
  let done = 0;
  for (let seed = seedFirst; done < kills && secondsLeft() > 0; seed++) {
    const round = Math.min(KILLS_A_ROUND, kills - done);
    console.log(`round: npm run soak:kills -- --kills ${round} --seed ${seed}`);
    const path = join(folder, `${seed}.zbud`);
    const report = await killProcesses({ kills: round, seed, path, secondsMax: secondsLeft() });
    console.log(`  ${JSON.stringify(report)}`);
    done += report.kills;
  }
  console.log(`${done} processes died, and every file had what was flushed`);
}

await main();
