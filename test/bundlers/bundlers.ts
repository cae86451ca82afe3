/** The bundlers that zbud is tried with, each as its users call it. They are extras: scripts/extras.ts installs them. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build as rolldown } from "rolldown";
import { ROOT } from "../../scripts/tools.ts";

const INSTALLED = join(ROOT, "extras");

export type Format = "esm" | "cjs";

/** Bundles a program for Node into one file, and gives what it warned of. */
export type Bundler = (entry: string, file: string, format: Format) => Promise<string[]>;

/** A module of what was installed, as far as it is used. */
async function load<T>(file: string): Promise<T> {
  return (await import(pathToFileURL(join(INSTALLED, "node_modules", file)).href)) as T;
}

type Build<R> = (options: object) => Promise<R>;

async function esbuild(entry: string, file: string, format: Format): Promise<string[]> {
  const { build } = await load<{ build: Build<{ warnings: { text: string }[] }> }>("esbuild/lib/main.js");
  const { warnings } = await build({
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    minify: true,
    platform: "node",
    format,
    logLevel: "silent",
  });
  return warnings.map(({ text }) => text);
}

interface WebpackStats {
  compilation: { errors: Error[]; warnings: Error[] };
}

async function webpack(entry: string, file: string, format: Format): Promise<string[]> {
  const { default: pack } = await load<{
    default: (options: object, done: (error: Error | null, stats: WebpackStats) => void) => void;
  }>("webpack/lib/index.js");
  const isModule = format === "esm";
  const { compilation } = await new Promise<WebpackStats>((resolve, reject) => {
    const options = {
      mode: "production",
      target: "node",
      entry,
      context: join(entry, ".."),
      output: {
        path: join(file, ".."),
        filename: file.slice(join(file, "..").length + 1),
        library: { type: isModule ? "module" : "commonjs2" },
        module: isModule,
      },
      experiments: { outputModule: isModule },
    };
    pack(options, (error, stats) => (error === null ? resolve(stats) : reject(error)));
  });
  if (compilation.errors.length > 0) throw compilation.errors[0];
  return compilation.warnings.map(({ message }) => message);
}

async function viteBuild(options: object): Promise<void> {
  const { build } = await load<{ build: Build<unknown> }>("vite/dist/node/index.js");
  await build({ configFile: false, logLevel: "error", ...options });
}

async function viteServer(entry: string, file: string, format: Format): Promise<string[]> {
  const warnings: string[] = [];
  await viteBuild({
    root: join(entry, ".."),
    ssr: { noExternal: true },
    build: {
      ssr: entry,
      outDir: join(file, ".."),
      rolldownOptions: {
        output: { format, entryFileNames: file.slice(join(file, "..").length + 1) },
        onwarn: ({ message }: Error) => warnings.push(message),
      },
    },
  });
  return warnings;
}

/** Vite's bundle of a web page, in a folder. */
export async function viteBrowser(root: string, folder: string): Promise<void> {
  await viteBuild({ root, base: "./", build: { outDir: folder, emptyOutDir: true } });
}

async function rolldownItself(entry: string, file: string, format: Format): Promise<string[]> {
  const warnings: string[] = [];
  await rolldown({
    input: entry,
    platform: "node",
    logLevel: "warn",
    onwarn: ({ message }) => warnings.push(message),
    output: { file, format, codeSplitting: false },
  });
  return warnings;
}

/** For programs that run in Node. */
export const BUNDLERS: Record<string, Bundler> = {
  esbuild,
  webpack,
  "Vite SSR": viteServer,
  rolldown: rolldownItself,
};
