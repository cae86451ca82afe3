import { join } from "node:path";
import { churn } from "../test/store/churn.ts";
import { killProcesses } from "../test/store/process-kills.ts";
import { killWorkers } from "../test/store/worker-kills.ts";
import { numberOption, readOptions, temporaryFolder } from "./tools.ts";

const USAGE = `Usage: npm run soak:store -- [--minutes N] [--kills N] [--seed N]

Churns a page store at its limit, over a file, and looks whether resident memory drifts by 1 % or more, and
whether every page can still be reached; kills workers that share a store, and processes with a store over a
file, at random moments.
  --minutes N  of churn (default 30)
  --kills N    of workers and of processes each (default 100)
  --seed N     (default: from the clock, and printed)`;

async function main(): Promise<void> {
  const values = readOptions(USAGE, ["minutes", "kills", "seed"]);
  const seed = numberOption(USAGE, "seed", values.seed, (Date.now() % 2 ** 20) + 1, 0, false);
  const kills = numberOption(USAGE, "kills", values.kills, 100, 0, false);
  const minutes = numberOption(USAGE, "minutes", values.minutes, 30, 0, false);
  console.log(`npm run soak:store -- --minutes ${minutes} --kills ${kills} --seed ${seed}`);
  const folder = temporaryFolder("soak");
  if (kills > 0) {
    const options = { maxBytes: 1_500_000, shards: 2, whenFull: "drop" } as const;
    const calls = await killWorkers({ kills, seed, threads: 3, indices: 300, options });
    console.log(`${kills} workers killed in ${calls} calls`);
    const pages = await killProcesses(kills, seed, join(folder, "killed"));
    console.log(`${kills} processes killed, ${pages} pages found again`);
  }
  const report = await churn({ seconds: 60 * minutes, seed, path: join(folder, "churned") });
  console.log(
    `${report.calls} calls in ${minutes} min: resident memory drifted by ${(100 * report.drift).toFixed(2)} %, every page was there`,
  );
}

await main();
