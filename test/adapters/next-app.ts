/** A Next.js app, that of examples/adapters/next or another, built and served for real beside the package as published. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { bin, ROOT } from "../../scripts/tools.ts";
import { until } from "../support/until.ts";

const NEXT = bin("next", "next");
const PATIENCE_MS = 240_000;
const URL_LINE = /http:\/\/127\.0\.0\.1:\d+/g;

/** As on a user's machine: nothing of this process's flags, no telemetry, and nobody's lock file is mended. */
const ENV: Record<string, string> = {
  PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ""}`,
  NODE_ENV: "production",
  NEXT_TELEMETRY_DISABLED: "1",
  NEXT_IGNORE_INCORRECT_LOCKFILE: "1",
  // Node 22 says that it has require() of modules.
  NODE_OPTIONS: "--disable-warning=ExperimentalWarning",
};

/** A program that was started, and what it said. */
export class Program {
  output = "";
  errors = "";
  readonly #process: ChildProcessByStdio<null, Readable, Readable>;
  readonly #kill = (): void => void this.#process.kill("SIGKILL");

  /** @param env - environment variables besides the usual ones. */
  constructor(folder: string, args: readonly string[], env: Record<string, string> = {}) {
    this.#process = spawn(process.execPath, args, {
      cwd: folder,
      env: { ...ENV, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
    });
    this.#process.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.errors += text;
    });
    process.once("exit", this.#kill);
  }

  /** All that it said. */
  get said(): string {
    return this.output + this.errors;
  }

  /** Whether it has ended with exit code 0. */
  get isWell(): boolean {
    return this.#process.exitCode === 0;
  }

  /** Waits until it has ended by itself. */
  async end(): Promise<void> {
    if (this.#isRunning()) await once(this.#process, "close", { signal: AbortSignal.timeout(PATIENCE_MS) });
    process.off("exit", this.#kill);
  }

  /** Tells it to stop, and waits. */
  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.end();
  }

  /** The addresses at which it serves, once it has said as many as there are to be. */
  async addresses(count: number): Promise<string[]> {
    let found: string[] = [];
    const serves = (): boolean => {
      found = [...new Set(this.output.match(URL_LINE))];
      if (found.length >= count) return true;
      if (!this.#isRunning()) throw new Error(`it ended before it served:\n${this.said}`);
      return false;
    };
    await until("it serves", serves, { patienceMs: PATIENCE_MS });
    return found;
  }

  #isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }
}

/** Compiles the package to where npm would put it. */
export async function installPackage(nodeModules: string): Promise<void> {
  const installed = join(nodeModules, "zbud");
  const out = join(installed, "dist");
  mkdirSync(out, { recursive: true });
  cpSync(join(ROOT, "package.json"), join(installed, "package.json"));
  const project = join(ROOT, "tsconfig.build.json");
  const compiler = new Program(ROOT, [bin("typescript", "tsc"), "--project", project, "--outDir", out]);
  await compiler.end();
  if (!compiler.isWell) throw new Error(compiler.said);
}

/**
 * The app in a folder of its own, with the package beside it. Next.js, React and the rest are found where npm
 * installed them; the folder is made next to these, since the bundler does not look outside of the project.
 */
export class NextApp {
  readonly folder: string;

  constructor(app = "examples/adapters/next") {
    const root = join(realpathSync(join(ROOT, "node_modules/next")), "../..");
    mkdirSync(join(root, "build"), { recursive: true });
    this.folder = mkdtempSync(join(root, "build/next-"));
    cpSync(join(ROOT, app), this.folder, { recursive: true });
    // It would take the outermost folder with a lock file, and say so.
    const config = join(this.folder, "next.config.mjs");
    const setting = `export default {\n  turbopack: { root: ${JSON.stringify(root)} },`;
    writeFileSync(config, readFileSync(config, "utf8").replace("export default {", setting));
  }

  /** Compiles the package and builds the app. What is said on the way is given. */
  async build(): Promise<Program> {
    await installPackage(join(this.folder, "node_modules"));
    writeFileSync(join(this.folder, "package.json"), '{ "private": true, "type": "module" }');
    // So that the bundler does not take this project's, by which "zbud" is the sources.
    writeFileSync(join(this.folder, "jsconfig.json"), "{}");
    const builder = new Program(this.folder, [NEXT, "build"]);
    await builder.end();
    if (!builder.isWell) throw new Error(builder.said);
    return builder;
  }

  /** `next start`; with the name of a cache, this one is shared with all processes that have it. */
  start(cacheName?: string): Program {
    const args = [NEXT, "start", "--hostname", "127.0.0.1", "--port", "0"];
    return new Program(this.folder, args, cacheName === undefined ? {} : { CACHE_NAME: cacheName });
  }

  /** The server with threads. */
  startThreads(): Program {
    return new Program(this.folder, ["server.mjs"]);
  }

  /** The package's files that Next.js lists as needed by a server, as it does for a container. */
  filesOfPackage(): Set<string> {
    const server = join(this.folder, ".next/server");
    const lists = readdirSync(server, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".nft.json"),
    );
    const found = new Set<string>();
    for (const list of lists) {
      const { files } = JSON.parse(readFileSync(join(server, list), "utf8")) as { files: string[] };
      for (const file of files) {
        const [, name] = file.split("node_modules/zbud/");
        if (name !== undefined) found.add(name);
      }
    }
    return found;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
