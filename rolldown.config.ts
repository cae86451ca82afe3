import type { RolldownOptions } from "rolldown";

/**
 * The command line only: one file with its libraries inside, so that the package has no dependencies. The
 * library itself is plain `tsc` output.
 */
const config: RolldownOptions = {
  input: "src/cli/main.ts",
  platform: "node",
  // package.json names the modules with side effects as they are in dist; here they are bundled from src.
  treeshake: { moduleSideEffects: () => true },
  // zstd-napi is an optional peer with a native part: a user who has it gets it.
  external: ["zstd-napi"],
  output: { file: "dist/cli.js", format: "esm", codeSplitting: false },
};

export default config;
