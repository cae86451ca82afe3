import { basename } from "node:path";
import { failUsage, filesUnder, readArguments, runNode } from "./tools.ts";

const examples = new Map(filesUnder("examples", ".ts").map((file) => [basename(file, ".ts"), file]));
const usage = `Usage: npm run example -- NAME [ARGUMENTS]

Runs a program of examples/ with the sources of this folder.
Examples: ${[...examples.keys()].join(", ")}`;

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || name.startsWith("-")) readArguments(usage);
const file = examples.get(name ?? "");
if (file === undefined) failUsage(`no example "${name ?? ""}"`, usage);
// The libraries that adapters are for.
if (file.startsWith("examples/adapters/") && !runNode(["scripts/extras.ts"]).ok) process.exit(1);
process.exitCode = runNode(["--import", "./scripts/from-source.ts", file, ...rest]).ok ? 0 : 1;
