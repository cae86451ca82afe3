// Records what a pool does, and replays it: on a pool of the same kind, and with other pages.
import { type Handle, ZbudPool } from "zbud";
import { parseTrace, record, replay } from "zbud/trace";

const trace: string[] = [];
const live: Handle[] = [];
{
  const pool = new ZbudPool({ maxPages: 500 });
  const recording = record(pool, (line) => trace.push(line));
  for (let i = 0; i < 2000; i++) {
    const handle = pool.alloc(200 + ((i * 7919) % 1500));
    if (typeof handle === "number") live.push(handle);
    if (i % 3 === 0) pool.free(live.splice((i * 31) % live.length, 1)[0]);
  }
  recording.stop();
  pool.close();
}

const parsed = parseTrace(trace.join("\n"));
const again = replay(parsed);
console.log(`${again.operations} operations, ${again.mismatches.length} mismatches`);
for (const pageSize of [2048, 2560, 3072, 4096]) {
  const { stats } = replay(parsed, { shape: { pageSize, maxPages: 4000 } });
  const kib = Math.round(stats.pageBytes / 1024);
  console.log(`pages of ${pageSize} bytes: ${stats.pages} of them, ${kib} KiB`);
}
