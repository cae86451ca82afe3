import { helpWidth, termLines, wrapped } from "./layout.ts";

const EXAMPLES: [string, string][] = [
  ["zbud estimate data.json", "a file"],
  ["zbud estimate src --unit 4k,16k,64k", "a folder, with three unit sizes"],
  ["zbud estimate src --html report.html", "the same as a page for a browser"],
  ["zbud estimate --pid 4711", "the memory of a running process (Linux)"],
  ["zbud estimate --cgroup my.slice", "of all processes of a control group"],
  ["sudo zbud estimate --kernel", "zswap or zram for this machine, and the lines to paste"],
  ["sudo zbud estimate --kernel --cold 60", "the same for what nobody uses for a minute"],
  ["sudo zbud estimate --kernel --dictionary /etc/zram.dict", "and with a dictionary for zram's zstd"],
  ["tar c . | zbud estimate", "whatever a command prints"],
  ["zbud estimate --sample all --json dump", "all of it, the figures as JSON"],
  ["npm start --silent -- --json dump", "in a clone: npm itself must be silent"],
];

const COUNTING = [
  "A unit is a block of input that is compressed by itself. Units that are one word repeated take no memory. Units that do not get smaller, or do not fit a page of the pool, are kept as they are. All others are stored in real pools, read back and compared; of more than some 32 MiB the pools of the rest make room only. Memory is pages, the pool's metadata, and units kept as they are. Duplicates are shown, but nothing is deducted for them.",
  "Of processes, anonymous memory in RAM is read: not what is in swap, shared with other processes, or mapped from files. --cold marks the pages idle, or clears their referenced bits, waits, and looks which were used; the kernel may take longer to choose what to swap meanwhile.",
  "--kernel counts as zram and zswap do: pages of 4 KiB, packed as by zsmalloc. With nothing named it reads all processes; - is standard input.",
  "Each file is compressed by itself. A cache also learns what small values have in common, which is not counted here: put many small values into one file to see about how much that saves.",
  "The advice weighs memory against the time to compress and to read back: in the balance twice the time must save 7 %, for speed 29 %, for size nothing.",
];

const TERMS: [string, string][] = [
  ["◀", "what is advised; where nothing pays there is none"],
  ["at best", "the ratio of the codec alone; an allocator that packs tightly comes near it"],
  [
    "p10, median, p90",
    "sizes of compressed units, of those that get smaller: 10, 50 and 90 % of them are at most this large",
  ],
  [
    "page size",
    "fitted: the one that suits the data best; 4 sizes: several side by side, each for objects up to some size",
  ],
  ["a page", "objects in a page of the pool, on average"],
  ["half", "the same after a random half of the objects was freed"],
  ["evict", "objects that reclaim then evicts for each page it releases"],
  ["as is", "units kept as they are"],
  [
    "untouched",
    "a page store with nothing chosen but the codec; by hand: with the best allocator of the table",
  ],
  ["here", "with --kernel: where this machine has the codec; with ?, it does not say"],
];

/** What the help of `zbud estimate` says after the options. */
export function estimateHelp(): string {
  const width = helpWidth();
  return [
    "",
    "Examples:",
    ...termLines(EXAMPLES, width),
    "",
    "How it counts:",
    ...COUNTING.flatMap((paragraph) => [...wrapped(`  ${paragraph}`, width, "  "), ""]),
    ...termLines(TERMS, width),
    ...wrapped("  zstd is at level 1, deflate at level 6.", width, "  "),
  ].join("\n");
}
