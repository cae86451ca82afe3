import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { failUsage, QUIET_FLAG, ROOT, readArguments, run, secondsSince } from "./tools.ts";

/** The oldest Node that package.json admits, then the newest of each later long-term line. */
const VERSIONS: Record<string, string> = { "22": "22.19.0", "24": "24", "26": "26" };

const USAGE = `Usage: npm run test:matrix -- [MAJOR…]

Runs all node tests on Node ${Object.values(VERSIONS).join(", ")}, or on the given ones of
${Object.keys(VERSIONS).join(", ")}. Each is downloaded once, from the npm package "node".`;

const chosen = readArguments(USAGE, true);
const unknown = chosen.find((major) => !(major in VERSIONS));
if (unknown !== undefined) failUsage(`no Node ${unknown} in the matrix`, USAGE);

const failed: string[] = [];
for (const major of chosen.length > 0 ? chosen : Object.keys(VERSIONS)) {
  const node = fetchNode(VERSIONS[major]);
  const version = run(node, ["--version"], { capture: true }).output.trim();
  console.log(`\n▶ Node ${version}`);
  const start = performance.now();
  const { ok } = run(node, [QUIET_FLAG, "scripts/unit.ts"]);
  console.log(`${ok ? "✔" : "✖"} Node ${version} (${secondsSince(start)})`);
  if (!ok) failed.push(major);
}
if (failed.length > 0) {
  console.error(`✖ failed: npm run test:matrix -- ${failed.join(" ")}`);
  process.exitCode = 1;
}

/** The path of a node of this version, in a cache that `npm ci` empties. */
function fetchNode(version: string): string {
  const folder = join(ROOT, "node_modules/.cache/zbud", `node-${version}`);
  const node = join(folder, "node_modules/node/bin/node");
  if (existsSync(node)) return node;
  console.log(`▶ downloading Node ${version}`);
  mkdirSync(folder, { recursive: true });
  const manifest = { private: true, allowScripts: { node: true } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  const args = ["install", "--no-audit", "--no-fund", "--no-save", "--prefix", folder, `node@${version}`];
  const { ok, output } = run("npm", args, { cwd: folder, capture: true });
  if (!ok || !existsSync(node)) {
    console.error(`${output}✖ Node ${version} cannot be downloaded`);
    process.exit(1);
  }
  return node;
}
