import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "rolldown";
import { ROOT } from "./tools.ts";

const SOURCE = "src/cache/dictionary-worker.ts";

/** The module that holds the worker's code. */
export const WORKER_MODULE = "src/cache/dictionary-worker.generated.ts";

/** The lz4 module is in every bundle once; the worker gets it with its job. */
const lz4FromJob: Plugin = {
  name: "lz4 from the job",
  load: (id) =>
    id.endsWith("src/codecs/lz4/module.generated.ts")
      ? 'export const LZ4_MODULE = process.getBuiltinModule("node:worker_threads").workerData.lz4;'
      : null,
};

/** The worker as one script: with neither imports nor `require`, so that it is all the same how Node reads it. */
export async function buildWorker(): Promise<string> {
  const { output } = await build({
    input: join(ROOT, SOURCE),
    platform: "neutral",
    write: false,
    logLevel: "silent",
    treeshake: { moduleSideEffects: (id) => id.endsWith(SOURCE) },
    plugins: [lz4FromJob],
    output: { format: "iife", minify: true, comments: false, codeSplitting: false },
  });
  return output[0].code.trim();
}

/** The TypeScript file that embeds it. */
export function embedWorker(code: string): string {
  return `// Made by \`node scripts/build-worker.ts\` from ${SOURCE}. Do not edit.

/** The script of the thread that learns a dictionary: ${code.length} characters. */
export const DICTIONARY_WORKER: string =
  ${JSON.stringify(code)};
`;
}

if (import.meta.main) {
  const code = await buildWorker();
  writeFileSync(join(ROOT, WORKER_MODULE), embedWorker(code));
  console.log(`${WORKER_MODULE}: ${code.length} characters`);
}
