import { MemoryBacking } from "../../src/backing/index.ts";
import { backingContract } from "../contracts/backing.ts";

backingContract({
  name: "memory",
  open: (options = {}) => Promise.resolve(new MemoryBacking(options)),
  openSmall: (maxBytes) => Promise.resolve(new MemoryBacking({ maxBytes })),
  isExact: true,
  findsUnderWay: true,
  maxLength: 300_000,
});
