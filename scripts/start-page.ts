/** Does what the page "Start in five minutes" says, in an empty folder, with the packed package. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { delimiter, dirname, join } from "node:path";
import { ROOT, type RunResult } from "./tools.ts";

const PAGE = "site/start.md";
/** The port that the page names; one that is free stands for it here. */
const PORT = "4711";
const PATIENCE_MS = 120_000;

interface Block {
  language: string;
  text: string;
  /** The paragraph before it. */
  before: string;
}

/**
 * Walks the page from top to bottom: a block of `js` is saved under the name that the paragraph before it has, each line
 * for a shell is run, and what the last one printed must be what stands in a block of text after it, where `…` stands for
 * anything.
 */
export async function walkStartPage(tarball: string, folder: string): Promise<RunResult> {
  mkdirSync(folder);
  const text = readFileSync(join(ROOT, PAGE), "utf8").replaceAll(PORT, String(await freePort()));
  const walk = new Walk(tarball, folder);
  try {
    for (const block of blocksOf(text)) await walk.take(block);
    return { ok: true, output: "" };
  } catch (error) {
    return { ok: false, output: `${PAGE}: ${(error as Error).message}\n` };
  } finally {
    await walk.end();
  }
}

function blocksOf(page: string): Block[] {
  const found = page.matchAll(/(?<before>[^\n]*)\n\n```(?<language>\w+)\n(?<text>.*?)```/gs);
  return [...found].map(({ groups }) => ({
    language: groups?.language ?? "",
    text: groups?.text ?? "",
    before: groups?.before ?? "",
  }));
}

class Walk {
  #said = "";
  #running: ChildProcess | undefined;
  readonly #tarball: string;
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(tarball: string, folder: string) {
    this.#tarball = tarball;
    this.#folder = folder;
    const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ""}`;
    this.#env = { ...process.env, PATH: path, npm_config_offline: "true", npm_config_audit: "false" };
  }

  async take({ language, text, before }: Block): Promise<void> {
    if (language === "js") this.#save(text, before);
    else if (language === "sh") for (const line of text.trim().split("\n")) await this.#run(line, before);
    else if (language === "text") this.#compare(text);
    else throw new Error(`a block of ${language}`);
  }

  #save(text: string, before: string): void {
    const name = /`([\w-]+\.mjs)`/.exec(before)?.[1];
    if (name === undefined) throw new Error(`no name for a program: ${before}`);
    writeFileSync(join(this.#folder, name), text);
  }

  async #run(line: string, before: string): Promise<void> {
    const command = line === "npm install zbud" ? `npm install '${this.#tarball}'` : line;
    const options = { cwd: this.#folder, env: this.#env, shell: true } as const;
    if (before.includes("until you press Ctrl-C")) {
      this.#running = spawn(`exec ${command}`, { ...options, stdio: ["ignore", "pipe", "inherit"] });
      const [first] = (await once(this.#running.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
      this.#said = first.toString();
      return;
    }
    const { status, stdout, stderr } = spawnSync(command, {
      ...options,
      encoding: "utf8",
      timeout: PATIENCE_MS,
    });
    if (status !== 0) throw new Error(`"${line}" ended with ${status}: ${stdout}${stderr}`);
    if (!line.startsWith("npm ") && stdout.trim() === "") throw new Error(`"${line}" printed nothing`);
    if (line.startsWith("node ") && stderr !== "") throw new Error(`"${line}" complained: ${stderr}`);
    this.#said = stdout;
  }

  #compare(expected: string): void {
    const pattern = expected
      .trim()
      .split("…")
      .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
      .join(".*");
    if (!new RegExp(`^${pattern}$`).test(this.#said.trim()))
      throw new Error(`it says\n${expected}but what is printed is\n${this.#said}`);
  }

  async end(): Promise<void> {
    const running = this.#running;
    if (running === undefined || running.exitCode !== null) return;
    running.kill("SIGINT");
    await once(running, "exit");
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
