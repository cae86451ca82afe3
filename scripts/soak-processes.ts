import { tortureWorld, WORLDS, type World } from "../test/processes/worlds.ts";
import { failUsage, numberOption, readOptions, temporaryFolder } from "./tools.ts";

const USAGE = `Usage: npm run soak:processes -- [--kills N] [--seed N] [--what PART] [--crashes N] [--seconds N] [--no-points]

Eight processes under load at one cache, store or pool. Kills them one by one at random moments, then lets one die at
each numbered point of the code inside the lock, then kills all at once; after each it looks that no value is wrong, out
of date or lost, and in the end that there is as much room as before.
  --kills N    how many from outside, all kinds together (default 1000)
  --seed N     of the first round (default: from the clock, and printed)
  --what PART  only kinds whose name has this part: cache, store, zbud pool, …
  --crashes N  of all at once, all kinds together (default 50)
  --seconds N  ends each kind earlier after this time
  --no-points  nobody dies at the points`;

const PROCESSES = 8;

async function main(): Promise<void> {
  const values = readOptions(USAGE, ["kills", "seed", "what", "crashes", "seconds"], ["no-points"]);
  const kills = numberOption(USAGE, "kills", values.kills, 1000, 0);
  const crashes = numberOption(USAGE, "crashes", values.crashes, 50, 0);
  const seed = numberOption(USAGE, "seed", values.seed, (Date.now() % 2 ** 20) + 1);
  const secondsMax = numberOption(USAGE, "seconds", values.seconds, 24 * 3600);
  const { what = "" } = values;
  const worlds = WORLDS.filter(({ name }) => name.includes(what));
  if (worlds.length === 0) {
    failUsage(`--what takes a part of one of: ${WORLDS.map(({ name }) => name).join("; ")}`, USAGE);
  }
  const share = (of: number): number => Math.ceil(of / worlds.length);
  const pointsEvery = values["no-points"] === true ? 0 : 1;
  const folder = temporaryFolder("processes");
  const total = { kills: 0, pointDeaths: 0, crashes: 0 };
  for (const [i, world] of worlds.entries()) {
    console.log(`${world.name}: npm run soak:processes -- --what ${quoted(world)} --seed ${seed + i}`);
    const measure = {
      folder,
      processes: PROCESSES,
      kills: share(kills),
      pointsEvery,
      crashes: share(crashes),
    };
    const report = await tortureWorld(world, { ...measure, seed: seed + i, secondsMax, log: console.log });
    const { missed, ...figures } = report;
    console.log(`  ${JSON.stringify(figures)}`);
    if (pointsEvery > 0) console.log(`  ${missed.length} points that nobody met: ${missed.join(", ")}`);
    total.kills += report.kills;
    total.pointDeaths += report.pointDeaths;
    total.crashes += report.crashes;
  }
  console.log(
    `${total.kills} processes killed, ${total.pointDeaths} died at points, ${total.crashes} times all at once: nothing was wrong, out of date or lost`,
  );
}

function quoted({ name }: World): string {
  return JSON.stringify(name);
}

await main();
