import { killHolders } from "../test/threads/native-kills.ts";
import { HELD, type Held } from "../test/threads/native-kills-worker.ts";
import { failUsage, numberOption, readOptions } from "./tools.ts";

const USAGE = `Usage: npm run soak:natives -- [--held NAME] [--kills N] [--seed N]

Kills threads at random moments while they have handles of Node's own in their hands, each in a process that
must survive this.
  --held NAME  one of ${HELD.join(", ")} (default: each)
  --kills N    how many of each (default 1000)
  --seed N     default: from the clock, and printed`;

async function main(): Promise<void> {
  const values = readOptions(USAGE, ["held", "kills", "seed"]);
  const kills = numberOption(USAGE, "kills", values.kills, 1000);
  const seed = numberOption(USAGE, "seed", values.seed, (Date.now() % 2 ** 20) + 1);
  const all: readonly Held[] = HELD;
  const chosen = values.held === undefined ? all : all.filter((held) => held === values.held);
  if (chosen.length === 0)
    failUsage(`--held takes ${all.join(", ")}, not ${JSON.stringify(values.held)}`, USAGE);
  for (const held of chosen) {
    const report = await killHolders({ held, kills, seed });
    const { aborts, seconds } = report;
    console.log(
      `${held}, seed ${seed}: ${report.kills} threads died, ${aborts.length} processes with them (${seconds.toFixed(0)} s)`,
    );
    for (const abort of aborts.slice(0, 3)) console.error(abort);
    if (aborts.length > 0) process.exitCode = 1;
  }
}

await main();
