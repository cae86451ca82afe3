import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { entrySources, publicNames } from "./declarations.ts";
import { bin, ROOT, type RunResult, readArguments, runNode, runSteps } from "./tools.ts";

readArguments(`Usage: npm run build

Writes dist/: the library as separate modules with their types (tsc), and the command line as one file
with its libraries inside (rolldown). For require(), each entry has a file that requires the module, and types of it.`);

const SHEBANG = "#!/usr/bin/env node\n";

rmSync(join(ROOT, "dist"), { recursive: true, force: true });
await runSteps([
  { name: "library", run: () => runNode([bin("typescript", "tsc"), "--project", "tsconfig.build.json"]) },
  { name: "for CommonJS", run: writeCommonJs },
  { name: "command line", run: bundle },
]);

/**
 * TypeScript takes a module's types for those of an ECMAScript module only, unless there is a file `.cjs` with types
 * `.d.cts`. These are of the very module, so that what is imported and what is required is one.
 */
function writeCommonJs(): RunResult {
  const names = publicNames(join(ROOT, "dist"));
  for (const [entry, source] of entrySources()) {
    const built = join(ROOT, source.replace(/^src/, "dist").replace(/\.ts$/, ""));
    const module = `./${basename(built)}.js`;
    writeFileSync(`${built}.cjs`, `"use strict";\nmodule.exports = require("${module}");\n`);
    const lines = [`import type * as module from "${module}" with { "resolution-mode": "import" };`];
    for (const { name, isValue, parameters } of names.get(entry) ?? []) {
      if (isValue) lines.push(`export declare const ${name}: typeof module.${name};`);
      if (parameters !== null) {
        const given = parameters.names.length === 0 ? "" : `<${parameters.names.join(", ")}>`;
        lines.push(`export type ${name}${parameters.text} = module.${name}${given};`);
      }
    }
    writeFileSync(`${built}.d.cts`, `${lines.join("\n")}\n`);
  }
  return { ok: true, output: "" };
}

function bundle(): RunResult {
  const result = runNode([bin("rolldown", "rolldown"), "--config", "rolldown.config.ts"], { capture: true });
  if (result.ok) {
    const file = join(ROOT, "dist/cli.js");
    const code = readFileSync(file, "utf8");
    if (!code.startsWith("#!")) writeFileSync(file, SHEBANG + code);
    chmodSync(file, 0o755);
  }
  return result;
}
