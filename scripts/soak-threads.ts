import { killWorkers } from "../test/threads/pool-kills.ts";
import { DRIVERS, type DriverName } from "../test/threads/pools.ts";
import { failUsage, numberOption, readOptions } from "./tools.ts";

const USAGE = `Usage: npm run soak -- [--driver NAME] [--kills N] [--seed N] [--seconds N]

Kills workers at random moments while they work at one shared pool, and checks the pool after each death.
  --driver NAME  whose pool (default zbud)
  --kills N    how many (default 1000)
  --seed N     of the first round (default: from the clock, and printed); each round has pools of its own
  --seconds N  ends earlier after this time`;

/** Kills in one pool. A round that fails is shorter to repeat than the whole. */
const KILLS_A_ROUND = 100;

async function main(): Promise<void> {
  const values = readOptions(USAGE, ["driver", "kills", "seed", "seconds"]);
  const { driver = "zbud" } = values;
  if (!Object.hasOwn(DRIVERS, driver)) {
    failUsage(`--driver takes ${Object.keys(DRIVERS).join(", ")}, not ${JSON.stringify(driver)}`, USAGE);
  }
  const kills = numberOption(USAGE, "kills", values.kills, 1000);
  const seedFirst = numberOption(USAGE, "seed", values.seed, (Date.now() % 2 ** 20) + 1);
  const seconds = numberOption(USAGE, "seconds", values.seconds, 24 * 3600);
  const start = performance.now();
  const secondsLeft = (): number => seconds - (performance.now() - start) / 1000;
  let done = 0;
  for (let seed = seedFirst; done < kills && secondsLeft() > 0; seed++) {
    const round = Math.min(KILLS_A_ROUND, kills - done);
    console.log(`round: npm run soak -- --driver ${driver} --kills ${round} --seed ${seed}`);
    const report = await killWorkers({
      driver: driver as DriverName,
      kills: round,
      seed,
      secondsMax: secondsLeft(),
    });
    console.log(`  ${JSON.stringify(report)}`);
    done += Object.values(report.kills).reduce((so, each) => so + each, 0);
  }
  console.log(`${done} threads died, and every pool was whole`);
}

await main();
