import { FileBacking } from "../../src/backing/index.ts";
import { backingContract } from "../contracts/backing.ts";
import { freshPath } from "../support/fresh-path.ts";

for (const unitBytes of [64, 128, 4096]) {
  backingContract({
    name: `file, units of ${unitBytes}`,
    open: (options = {}) => FileBacking.open(freshPath(), { maxBytes: 2 ** 26, unitBytes, ...options }),
    openSmall: (maxBytes) => FileBacking.open(freshPath(), { maxBytes: maxBytes, unitBytes: 64 }),
    isExact: true,
    maxLength: 300_000,
  });
}
