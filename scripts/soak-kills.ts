import { join } from "node:path";
import { killProcesses } from "../test/backing/file-kills.ts";
import { churn } from "../test/backing/shared-churn.ts";
import { freshMemory } from "../test/support/fresh-memory.ts";
import { numberOption, readOptions, temporaryFolder } from "./tools.ts";

const USAGE = `Usage: npm run soak:kills -- [--kills N] [--seed N] [--seconds N] [--processes N]

Kills processes at random moments while they work with a file store. Half of the rounds have one process, and the
file is opened again after each kill, and every byte is compared with what was flushed. In the others several
processes share the file and are killed and stopped while the others go on, and every byte that one reads is
compared with what the others say that they did.
  --kills N      how many (default 100)
  --seed N       of the first round of 20 (default: from the clock, and printed); an odd one is of several processes
  --seconds N    ends earlier after this time
  --processes N  that share a file (default 3)`;

/** Kills on one file: a round that fails is shorter to repeat than the whole. */
const KILLS_A_ROUND = 20;

async function main(): Promise<void> {
  const values = readOptions(USAGE, ["kills", "seed", "seconds", "processes"]);
  const kills = numberOption(USAGE, "kills", values.kills, 100);
  const seedFirst = numberOption(USAGE, "seed", values.seed, (Date.now() % 2 ** 20) + 1);
  const seconds = numberOption(USAGE, "seconds", values.seconds, 24 * 3600);
  const processes = numberOption(USAGE, "processes", values.processes, 3);
  const folder = temporaryFolder("kills");
  const start = performance.now();
  const secondsLeft = (): number => seconds - (performance.now() - start) / 1000;
  let done = 0;
  for (let seed = seedFirst; done < kills && secondsLeft() > 0; seed++) {
    const round = Math.min(KILLS_A_ROUND, kills - done);
    console.log(`round: npm run soak:kills -- --kills ${round} --seed ${seed}`);
    const path = join(folder, `${seed}.zbud`);
    const one = { kills: round, seed, path, secondsMax: secondsLeft() };
    const report =
      seed % 2 === 0
        ? await killProcesses(one)
        : await churn({ ...one, board: `${path}.board`, processes, options: optionsOf(seed) });
    console.log(`  ${JSON.stringify(report)}`);
    done += report.kills;
  }
  console.log(`${done} processes died, and every file had what it should have`);
}

/** One that keeps what was flushed and refuses what has no room, and one that drops records, in turn. */
function optionsOf(seed: number): Parameters<typeof churn>[0]["options"] {
  const shared = freshMemory();
  return seed % 4 === 1
    ? { maxBytes: 2 ** 22, averageBytes: 1024, unclean: "flushed", shared }
    : { maxBytes: 2 ** 18, averageBytes: 1024, whenFull: "drop", shared };
}

await main();
