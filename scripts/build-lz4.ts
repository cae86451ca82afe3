import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ENTRY = "src/codecs/lz4/assembly/index.ts";
const GENERATED = "src/codecs/lz4/module.generated.ts";
const MEMORY_PAGES = "35";

/**
 * Compiles the AssemblyScript of the lz4 codec.
 *
 * @returns the WebAssembly module; the same bytes for the same source and compiler.
 * @throws {Error} with the compiler's messages when it fails.
 */
export async function buildLz4(): Promise<{ module: Uint8Array; text: string }> {
  const outputs = new Map<string, Uint8Array | string>();
  const options = {
    "--outFile": "module.wasm",
    "--textFile": "module.wat",
    "--runtime": "stub",
    "--initialMemory": MEMORY_PAGES,
    "--maximumMemory": MEMORY_PAGES,
    "--enable": "simd",
    "--baseDir": ROOT,
  };
  const flags = ["-O3", "--converge", "--noAssert"];
  const { error, stderr } = await asc.main([ENTRY, ...flags, ...Object.entries(options).flat()], {
    readFile: async (name, baseDir) => {
      try {
        return await readFile(new URL(name, `file://${baseDir}/`), "utf8");
      } catch {
        return null;
      }
    },
    writeFile: (name, contents) => {
      outputs.set(name, contents);
    },
  });
  if (error) throw new Error(`${error.message}\n${stderr.toString()}`);
  return { module: outputs.get("module.wasm") as Uint8Array, text: String(outputs.get("module.wat")) };
}

/**
 * The TypeScript file that embeds a module. In hexadecimal, since what serves it to browsers compresses that to
 * nearly what the module itself comes to; base64 hides its repetitions and ends up at twice as much.
 */
export function embed(module: Uint8Array): string {
  return `// Made by \`node scripts/build-lz4.ts\` from assembly/. Do not edit.

/** The WebAssembly module of the lz4 codec, in hexadecimal: ${module.length} bytes. */
export const LZ4_MODULE: string =
  "${Buffer.from(module).toString("hex")}";
`;
}

if (import.meta.main) {
  const { module, text } = await buildLz4();
  await writeFile(`${ROOT}/${GENERATED}`, embed(module));
  if (process.argv[2]) await writeFile(process.argv[2], text);
  console.log(`${GENERATED}: ${module.length} bytes of WebAssembly`);
}
