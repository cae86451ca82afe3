import type { RolldownOptions } from "rolldown";

/**
 * The command line only: one file with its libraries inside, so that the package has no dependencies. The
 * library itself is plain `tsc` output.
 */
const config: RolldownOptions = {
  input: "src/cli/main.ts",
  platform: "node",
  // zstd-napi is an optional peer with a native part: a user who has it gets it.
  external: ["zstd-napi"],
  output: { file: "dist/cli.js", format: "esm", codeSplitting: false },
};

export default config;
