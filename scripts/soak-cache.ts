import { historyOf } from "../test/cache/cache-history.ts";
import { closeThread, failureOf } from "../test/cache/checker.ts";
import { killImprovers } from "../test/cache/improver-kills.ts";
import { reportOf } from "../test/cache/shorten.ts";
import { numberOption, readOptions } from "./tools.ts";

const USAGE = `Usage: npm run soak:cache -- [--operations N] [--histories N] [--kills N] [--seed N] [--keep-on]

Runs random histories of a cache against its model, for longer than the tests do, and prints the first that fails,
shortened; and kills threads that better a cache, at random moments.
  --operations N  steps at least (default 1e7)
  --histories N   so many histories instead
  --kills N       of threads (default 0), before the histories
  --seed N        of the first one (default: from the clock, and printed); each has the next seed
  --keep-on       goes on after a failure, and counts`;

const REPORT_EVERY_MS = 10_000;

async function main(): Promise<void> {
  const values = readOptions(USAGE, ["operations", "histories", "kills", "seed"], ["keep-on"]);
  const histories = numberOption(USAGE, "histories", values.histories, Number.MAX_SAFE_INTEGER, 0);
  const operations =
    values.histories === undefined ? numberOption(USAGE, "operations", values.operations, 1e7, 0) : 1e15;
  const first = numberOption(USAGE, "seed", values.seed, Date.now() % 2 ** 31, 0);
  if (values.seed === undefined) console.log(`--seed ${first}`);
  const kills = numberOption(USAGE, "kills", values.kills, 0, 0);
  if (kills > 0)
    console.log(`${kills} threads killed, which compressed ${await killImprovers(kills, first)} values anew`);
  const start = performance.now();
  let [done, failed, seed, told] = [0, 0, first, start];
  for (; done < operations && seed < first + histories; seed++) {
    const history = historyOf(seed);
    const failure = await failureOf(history);
    done += history.steps.length;
    if (failure !== null) {
      failed++;
      process.exitCode = 1;
      if (values["keep-on"] !== true) {
        console.error(await reportOf(history, failure));
        break;
      }
      console.error(`history ${seed} (${history.world.name}): ${failure.message}`);
    }
    if (performance.now() < told + REPORT_EVERY_MS) continue;
    told = performance.now();
    console.log(`  ${done} operations, ${((told - start) / 1000).toFixed(0)} s, seed ${seed}`);
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `seeds ${first} to ${seed - 1}: ${done} operations in ${seconds} s, ${failed} histories failed`,
  );
  await closeThread();
}

await main();
