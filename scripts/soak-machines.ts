import { checkReport, playGame } from "../test/machines/play.ts";
import { cluster, singleServer } from "../test/machines/world.ts";
import { failUsage, numberOption, readOptions } from "./tools.ts";

const USAGE = `Usage: npm run soak:machines -- [--operations N] [--seed N] [--what PART] [--rate N]

Four processes, each with a cache of its own and a tier in Redis that all have, set, delete and read the same keys, while
servers are killed and stopped, a replica takes over, the network holds, drops, refuses, delays and cuts, and processes are
stopped. Then it looks that each value that was read was current within the bound.
  --operations N  all together, in each world (default 1,000,000)
  --seed N        of the first round (default: from the clock, and printed)
  --what PART     only worlds whose name has this part: server, cluster
  --rate N        operations a second, all processes together (default 4000)`;

const WORLDS = [
  { name: "one server", open: () => singleServer(PROCESSES), stopsPlayers: true },
  { name: "cluster", open: cluster, stopsPlayers: false },
] as const;
const PROCESSES = 4;
/** Operations of a round: its history is checked at its end, and so nothing that goes wrong is found late. */
const ROUND = 100_000;
const TIER = { kind: "redis", graceMs: 300, heartbeatMs: 400, timeoutMs: 800 } as const;

async function main(): Promise<void> {
  const values = readOptions(USAGE, ["operations", "seed", "what", "rate"]);
  const operations = numberOption(USAGE, "operations", values.operations, 1_000_000, 100);
  const rate = numberOption(USAGE, "rate", values.rate, 4000);
  const first = numberOption(USAGE, "seed", values.seed, (Date.now() % 2 ** 20) + 1);
  const { what = "" } = values;
  const worlds = WORLDS.filter(({ name }) => name.includes(what));
  if (worlds.length === 0)
    failUsage(`--what takes a part of one of: ${WORLDS.map(({ name }) => name).join("; ")}`, USAGE);
  let total = 0;
  for (const { name, open, stopsPlayers } of worlds) {
    for (let done = 0, seed = first; done < operations; seed++) {
      const size = Math.min(ROUND, operations - done);
      const shown = `--operations ${size} --what ${JSON.stringify(name)} --seed ${seed} --rate ${rate}`;
      console.log(`${name}: npm run soak:machines -- ${shown}`);
      const world = await open();
      try {
        const plan = {
          processes: PROCESSES,
          operations: size,
          forMs: (size / rate) * 1000,
          seed,
          tier: TIER,
        };
        const report = await playGame({ ...plan, world, faults: world.faults, stopsPlayers });
        const { stats, shown, ...figures } = report;
        console.log(`  ${JSON.stringify(figures)}`);
        checkReport(report);
        done += size;
        total += report.operations;
      } finally {
        await world.stop();
      }
    }
  }
  console.log(`${total} operations: no read was out of date beyond the bound`);
}

await main();
