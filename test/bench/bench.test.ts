import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { formatTable, median, type Row, race, rateRows, rowJson, timeRows } from "../../bench/harness.ts";

const MAIN = join(import.meta.dirname, "../../bench/main.ts");
const FIELDS = ["suite", "case", "ours", "peer", "theirs", "unit", "ratio"];

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const flags = ["--disable-warning=ExperimentalWarning", "--expose-gc"];
  return spawnSync(process.execPath, [...flags, MAIN, ...args], { encoding: "utf8", timeout: 300_000 });
}

describe("bench command", () => {
  for (const name of [
    "allocator",
    "cache",
    "codec",
    "density",
    "estimate",
    "guides",
    "improve",
    "machines",
    "policy",
    "processes",
    "store",
    "threads",
    "tier",
    "viewer",
  ]) {
    it(`${name}, small: every row has the common form, every checksum agrees`, () => {
      const { status, stdout, stderr } = bench(name, "--quick", "--json", "--seed", "7");
      assert.equal(status, 0, stderr);
      assert.match(stderr, /seed 7/);
      const rows = stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Row);
      assert.notEqual(rows.length, 0);
      for (const row of rows) {
        assert.deepEqual(Object.keys(row), FIELDS);
        assert.equal(row.suite, name);
        for (const text of [row.case, row.peer, row.unit]) assert.ok(typeof text === "string" && text !== "");
        for (const figure of [row.ours, row.theirs, row.ratio])
          assert.ok(Number.isFinite(figure) && figure > 0);
        assert.ok(Math.abs(row.ratio - row.ours / row.theirs) < 1e-6 * row.ratio, rowJson(row));
      }
    });
  }

  const WRONG: [string[], RegExp][] = [
    [
      ["alocator"],
      /no suite "alocator"; the suites are allocator, cache, codec, defaults, density, estimate, guides, improve, machines, policy, processes, store, threads, tier, viewer/,
    ],
    [["--seed", "x"], /--seed takes an integer .* not "x"/],
    [["--seed", "-1"], /--seed/],
    [["--fast"], /'--fast'/],
  ];
  for (const [args, why] of WRONG) {
    it(`${args.join(" ")} is refused with the usage`, () => {
      const { status, stdout, stderr } = bench(...args);
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(stderr, why);
      assert.match(stderr, /Usage: npm run bench/);
    });
  }
});

describe("bench harness", () => {
  it("contenders take turns, each once a round, in an order that the seed decides", () => {
    const order = (seed: number): string => {
      let turns = "";
      const contenders = ["a", "b", "c"].map((name) => ({
        name,
        round: () => {
          turns += name;
          return 1;
        },
      }));
      race(contenders, { operations: 1, rounds: 8, warmups: 1, seed });
      return turns;
    };
    const turns = order(1);
    assert.equal(turns.length, 27);
    for (let i = 0; i < turns.length; i += 3) assert.equal([...turns.slice(i, i + 3)].sort().join(""), "abc");
    assert.notEqual(turns, turns.slice(0, 3).repeat(9));
    assert.equal(order(1), turns);
    assert.notEqual(order(2), turns);
  });

  it("preparation is not timed, and comes before each round", () => {
    const log: string[] = [];
    const [timing] = race([{ name: "a", prepare: () => log.push("p"), round: () => log.push("r") % 2 }], {
      operations: 10,
      rounds: 2,
      warmups: 1,
      seed: 1,
    });
    assert.equal(log.join(""), "prprpr");
    assert.equal(timing.rounds.length, 2);
    assert.equal(timing.checksum, "0");
  });

  it("a contender's own time counts, without its warm-up", () => {
    const times = [999, 30, 10, 20];
    const contender = { name: "a", round: () => ({ checksum: "same", ns: times.shift() ?? 0 }) };
    const [timing] = race([contender], { operations: 10, rounds: 3, warmups: 1, seed: 1 });
    assert.deepEqual([timing.nsMin, timing.nsMedian, timing.rounds], [1, 2, [3, 1, 2]]);
  });

  it("different work is no comparison", () => {
    const contenders = [1, 2].map((checksum) => ({ name: `c${checksum}`, round: () => checksum }));
    assert.throws(
      () => race(contenders, { operations: 1, seed: 5 }),
      /c\d has checksum \d, c\d has \d \(seed 5\)/,
    );
  });

  it("median of an even and of an odd number", () => {
    assert.deepEqual([median([1, 2, 9]), median([1, 2, 4, 9])], [2, 3]);
  });

  const timing = (name: string, ns: number) => ({
    name,
    nsMin: ns,
    nsMedian: 2 * ns,
    rounds: [],
    checksum: "",
  });

  it("rows: times are better below 1, rates above 1", () => {
    const timings = [timing("ours", 50), timing("C", 100)];
    const [time] = timeRows("s", "c", timings);
    assert.deepEqual([time.ours, time.theirs, time.ratio, time.unit], [50, 100, 0.5, "ns/op"]);
    const [rate] = rateRows("s", "c", timings, 1000);
    assert.deepEqual([rate.ours, rate.theirs, rate.ratio, rate.unit], [20_000, 10_000, 2, "MB/s"]);
  });

  it("the table shows medians, the JSON does not", () => {
    const rows = timeRows("allocator", "fill", [timing("ours", 12.345), timing("C", 100)]);
    assert.equal(
      formatTable(rows),
      [
        "suite      case         ours  peer     theirs  unit   ratio",
        "allocator  fill  12.3 (24.7)  C     100 (200)  ns/op   0.12",
      ].join("\n"),
    );
    assert.deepEqual(Object.keys(JSON.parse(rowJson(rows[0])) as Row), FIELDS);
  });
});
