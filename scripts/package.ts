import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { build } from "rolldown";
import {
  bin,
  filesUnder,
  npm,
  ROOT,
  type RunResult,
  readArguments,
  runNode,
  runSteps,
  temporaryFolder,
} from "./tools.ts";

readArguments(`Usage: npm run test:package

Builds and packs the package as it would be published, lints the tarball (publint, attw), installs it into
an empty project without a network, and uses it there: imports, types, the command, the examples.`);

const MANIFEST = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  name: string;
  version: string;
  exports: Record<string, unknown>;
  devDependencies: Record<string, string>;
};
const EXTRAS = JSON.parse(readFileSync(join(ROOT, "extras/package.json"), "utf8")) as {
  devDependencies: Record<string, string>;
};
/** What `import` takes: `zbud`, `zbud/codecs`, … */
const ENTRIES = Object.keys(MANIFEST.exports)
  .filter((key) => !key.endsWith(".json"))
  .map((key) => MANIFEST.name + key.slice(1));
/** Entries whose declarations are of what their peer needs anyway: Node's types. */
const OF_NODE = [`${MANIFEST.name}/next`, `${MANIFEST.name}/undici`];
const PACKED_AT_TOP = [
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "LICENSE",
  "README.md",
  "SECURITY.md",
  "dist",
  "docs",
  "examples",
  "package.json",
];

const folder = temporaryFolder("package");
const tarball = join(folder, `${MANIFEST.name}-${MANIFEST.version}.tgz`);
const user = join(folder, "user");
const installed = join(user, "node_modules", MANIFEST.name);

await runSteps([
  { name: "build", run: () => runNode(["scripts/build.ts"]) },
  { name: "pack", run: () => npm(["pack", "--ignore-scripts", "--pack-destination", folder], ROOT) },
  {
    name: "publint",
    run: () => runNode([bin("publint", "publint"), "run", tarball, "--strict"], { capture: true }),
  },
  { name: "are the types wrong", run: checkTypes },
  { name: "install the tarball", run: install },
  { name: "only what users need", run: checkContent },
  { name: `import ${ENTRIES.join(", ")}`, run: importEntries },
  { name: "types, with @types/node", run: () => compileUser("with-node", ["node"], ENTRIES) },
  {
    name: "types, without",
    run: () =>
      compileUser(
        "without-node",
        [],
        ENTRIES.filter((entry) => !OF_NODE.includes(entry)),
      ),
  },
  { name: "drivers survive a bundler", run: bundleUser },
  {
    name: "command",
    run: () => runNode([join(installed, "dist/cli.js"), "--help"], { cwd: user, capture: true }),
  },
  {
    name: "command: an estimate",
    run: () => runNode([join(installed, "dist/cli.js"), "estimate", installed], { cwd: user, capture: true }),
  },
  { name: "examples", run: runExamples },
]);

function checkTypes(): RunResult {
  const attw = bin("@arethetypeswrong/cli", "attw");
  const flags = ["--profile", "esm-only", "--no-definitely-typed", "--format", "ascii", "--no-emoji"];
  return runNode([attw, tarball, ...flags], { capture: true });
}

function install(): RunResult {
  mkdirSync(user);
  writeFileSync(join(user, "package.json"), '{ "private": true, "type": "module" }');
  return npm(["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball], user);
}

function checkContent(): RunResult {
  const wrong: string[] = [];
  for (const name of readdirSync(installed)) {
    if (!PACKED_AT_TOP.includes(name)) wrong.push(`${name} is packed`);
  }
  // The README reads well wherever the package is unpacked.
  for (const [, target] of readFileSync(join(installed, "README.md"), "utf8").matchAll(/\]\(([^)#:]+)/g)) {
    if (!existsSync(join(installed, target))) wrong.push(`README.md links to ${target}, which is not packed`);
  }
  for (const name of readdirSync(join(user, "node_modules"))) {
    if (!name.startsWith(".") && name !== MANIFEST.name) wrong.push(`${name} is installed as a dependency`);
  }
  return { ok: wrong.length === 0, output: wrong.map((line) => `${line}\n`).join("") };
}

/**
 * A bundler that believes `sideEffects` must keep the registration of the built-in drivers, though nothing of
 * their modules is named here.
 */
async function bundleUser(): Promise<RunResult> {
  const input = join(user, "bundle.ts");
  const file = join(user, "bundled.mjs");
  writeFileSync(input, `import { driverTypes } from "${MANIFEST.name}";\nconsole.log(driverTypes().join());`);
  await build({ input, cwd: user, platform: "node", logLevel: "silent", output: { file } });
  const { ok, output } = runNode([file], { cwd: user, capture: true });
  return ok && output.includes("zbud")
    ? { ok, output }
    : { ok: false, output: `no driver in the bundle: ${output}\n` };
}

function importEntries(): RunResult {
  const program = ENTRIES.map(
    (entry) =>
      `if (Object.keys(await import("${entry}")).length === 0) throw new Error("${entry} is empty");`,
  );
  return runNode(["--input-type=module", "--eval", program.join("\n")], { cwd: user, capture: true });
}

/**
 * Compiles imports of all entries with the strictest reading of our own declarations, for Node, or for
 * browsers without Node's types.
 */
function compileUser(name: string, types: readonly string[], entries: readonly string[]): RunResult {
  const lines = entries.map((entry, index) => `export * as entry${index} from "${entry}";`);
  writeFileSync(join(user, `${name}.ts`), lines.join("\n"));
  const compilerOptions = {
    module: "nodenext",
    target: "es2024",
    // A browser's types, or Node's.
    lib: types.length === 0 ? ["es2024", "dom"] : ["es2024"],
    types,
    typeRoots: [join(ROOT, "node_modules/@types")],
    strict: true,
    skipLibCheck: false,
    noEmit: true,
  };
  const config = join(user, `${name}.json`);
  writeFileSync(config, JSON.stringify({ compilerOptions, files: [`${name}.ts`] }));
  return runNode([bin("typescript", "tsc"), "--project", config], { capture: true });
}

function runExamples(): RunResult {
  if (!existsSync(join(ROOT, "examples"))) return { ok: true, output: "" };
  cpSync(join(ROOT, "examples"), join(user, "examples"), { recursive: true });
  // What a user of an adapter has installed.
  for (const name of [...Object.keys(MANIFEST.devDependencies), ...Object.keys(EXTRAS.devDependencies)]) {
    const link = join(user, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(realpathSync(join(ROOT, "node_modules", name)), link, "dir");
  }
  for (const example of filesUnder("examples", ".ts")) {
    const result = runNode([join(user, example)], { cwd: user, capture: true });
    if (!result.ok) return { ok: false, output: `${example}:\n${result.output}` };
  }
  return { ok: true, output: "" };
}
