import { FileBacking, type FileBackingOptions } from "../../src/backing/index.ts";
import { backingContract } from "../contracts/backing.ts";
import { freshMemory } from "../support/fresh-memory.ts";
import { freshPath } from "../support/fresh-path.ts";
import { SharedPair } from "./shared-pair.ts";

for (const unitBytes of [64, 128, 4096]) {
  backingContract({
    name: `file, units of ${unitBytes}`,
    open: (options = {}) => FileBacking.open(freshPath(), { maxBytes: 2 ** 26, unitBytes, ...options }),
    openSmall: (maxBytes) => FileBacking.open(freshPath(), { maxBytes: maxBytes, unitBytes: 64 }),
    isExact: true,
    findsUnderWay: true,
    maxLength: 300_000,
  });
}

async function openPair(options: FileBackingOptions): Promise<SharedPair> {
  const path = freshPath();
  const both = { ...options, shared: freshMemory() };
  return new SharedPair(await FileBacking.open(path, both), await FileBacking.open(path, both));
}

backingContract({
  name: "file that processes share, two of them in turn",
  open: (options = {}) => openPair({ maxBytes: 2 ** 26, ...options }),
  openSmall: (maxBytes) => openPair({ maxBytes, unitBytes: 64 }),
  isExact: true,
  findsUnderWay: false,
  maxLength: 300_000,
});
