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
import { RedisServer } from "../test/redis/server.ts";
import { walkStartPage } from "./start-page.ts";
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
an empty project without a network, and uses it there: imports, types, the command, the page "Start in five
minutes" as it stands, the examples.`);

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
  { name: `import and require ${ENTRIES.join(", ")}`, run: loadEntries },
  { name: "types, with @types/node", run: () => compileUser("with-node", ["node"], ENTRIES) },
  { name: "types, for require() as Node 16 had it", run: () => compileCommonJs("node16") },
  { name: "types, for require() as it is now", run: () => compileCommonJs("nodenext") },
  {
    name: "types, without",
    run: () =>
      compileUser(
        "without-node",
        [],
        ENTRIES.filter((entry) => !OF_NODE.includes(entry)),
      ),
  },
  { name: "a bundler keeps the drivers that are found by name, and leaves out others", run: bundleUser },
  {
    name: "command",
    run: () => runNode([join(installed, "dist/cli.js"), "--help"], { cwd: user, capture: true }),
  },
  {
    name: "command: an estimate",
    run: () => runNode([join(installed, "dist/cli.js"), "estimate", installed], { cwd: user, capture: true }),
  },
  { name: "start in five minutes", run: () => walkStartPage(tarball, join(folder, "five-minutes")) },
  { name: "examples", run: runExamples },
]);

function checkTypes(): RunResult {
  const attw = bin("@arethetypeswrong/cli", "attw");
  const flags = ["--profile", "node16", "--no-definitely-typed", "--format", "ascii", "--no-emoji"];
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

/** A bundler believes `sideEffects`: that nothing of a module is wanted but what is used of it. */
async function bundleUser(): Promise<RunResult> {
  const input = join(user, "bundle.ts");
  const file = join(user, "bundled.mjs");
  const bundled = async (program: string): Promise<RunResult> => {
    writeFileSync(input, program);
    await build({ input, cwd: user, platform: "node", logLevel: "silent", output: { file } });
    return runNode([file], { cwd: user, capture: true });
  };
  const named = await bundled(
    `import { CompressedCache, driverTypes } from "${MANIFEST.name}";
     console.log(driverTypes().join(), new CompressedCache({ maxBytes: "2MiB", driver: "zsmalloc" }).size);`,
  );
  if (!named.ok || named.output.trim() !== "zbud,slots,zsmalloc,size-classes,log 0") {
    return { ok: false, output: `not all drivers are in the bundle: ${named.output}\n` };
  }
  const one = await bundled(
    `import { ZbudPool } from "${MANIFEST.name}"; console.log(new ZbudPool({ maxPages: 1 }).type);`,
  );
  if (!one.ok || /ZsmallocPool|CompressedCache/.test(readFileSync(file, "utf8"))) {
    return { ok: false, output: `more than one driver is in the bundle: ${one.output}\n` };
  }
  return one;
}

/** What is imported and what is required is one, and not empty. */
function loadEntries(): RunResult {
  const program = ENTRIES.map(
    (entry) => `{
      const imported = await import("${entry}");
      if (Object.keys(imported).length === 0) throw new Error("${entry} is empty");
      for (const [name, value] of Object.entries(require("${entry}"))) {
        if (value !== imported[name]) throw new Error("${entry} has two of " + name);
      }
    }`,
  );
  program.unshift(
    'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
  );
  const file = join(user, "load.mjs");
  writeFileSync(file, program.join("\n"));
  return runNode([file], { cwd: user, capture: true });
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

/** Compiles a CommonJS module that requires all entries, and runs it. */
function compileCommonJs(module: "node16" | "nodenext"): RunResult {
  const { name } = MANIFEST;
  const lines = ENTRIES.flatMap((entry, index) => [
    `import entry${index} = require("${entry}");`,
    `if (Object.keys(entry${index}).length === 0) throw new Error("${entry}");`,
  ]);
  const program = `
import { CompressedCache, type CompressedCacheOptions, type Handle, ZbudError, ZbudPool } from "${name}";
import { type Backing, MemoryBacking } from "${name}/backing";
class Texts extends CompressedCache<string> {}
const options: CompressedCacheOptions<string> = { maxBytes: "1MiB" };
const cache: CompressedCache<string> = new Texts(options);
const text: string | undefined = cache.get("key");
const backing: Backing = new MemoryBacking();
const pool = new ZbudPool({ maxPages: 1 });
const handle = pool.alloc(100) as Handle;
if (text !== undefined || pool.sizeOf(handle) !== 100 || backing instanceof ZbudError) throw new Error();
`;
  writeFileSync(join(user, `${module}.cts`), lines.join("\n") + program);
  const compilerOptions = {
    module,
    target: "es2024",
    lib: ["es2024"],
    types: ["node"],
    typeRoots: [join(ROOT, "node_modules/@types")],
    strict: true,
    skipLibCheck: false,
  };
  const config = join(user, `${module}.json`);
  writeFileSync(config, JSON.stringify({ compilerOptions, files: [`${module}.cts`] }));
  const compiled = runNode([bin("typescript", "tsc"), "--project", config], { capture: true });
  return compiled.ok ? runNode([join(user, `${module}.cjs`)], { cwd: user, capture: true }) : compiled;
}

async function runExamples(): Promise<RunResult> {
  if (!existsSync(join(ROOT, "examples"))) return { ok: true, output: "" };
  const redis = await RedisServer.start();
  process.env.REDIS_NODES = redis.url;
  try {
    return runExamplesOf(user);
  } finally {
    await redis.stop();
  }
}

function runExamplesOf(user: string): RunResult {
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
