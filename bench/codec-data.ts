import { spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

/** Pages of this length that hold one repeated word never reach a codec, so they are left out. */
const PAGE_BYTES = 4096;
/** What is taken in one piece, so that the longest unit is real data too. */
const PIECE_BYTES = 65_536;

/** Real data of three kinds, `bytes` of each; a kind that this system cannot provide is left out, with a message. */
export async function realData(bytes: number, log: (line: string) => void): Promise<Map<string, Buffer>> {
  const data = new Map<string, Buffer>();
  try {
    data.set("process memory", spread(await processMemory(), bytes));
  } catch (error) {
    log(
      `no process memory: ${(error as Error).message}. It takes Linux and the right to read /proc/PID/mem.`,
    );
  }
  data.set("source text", spread(sourceText(), bytes));
  data.set("binary", spread(readFileSync(process.execPath), bytes));
  return data;
}

/** Pieces from all over `data`, together `bytes`. */
export function spread(data: Buffer, bytes: number): Buffer {
  const pieces = Math.max(1, Math.floor(bytes / PIECE_BYTES));
  const length = Math.min(PIECE_BYTES, bytes);
  if (data.length < pieces * length) throw new Error(`only ${data.length} bytes`);
  const stride = Math.floor((data.length - length) / pieces / PAGE_BYTES) * PAGE_BYTES || length;
  return Buffer.concat(
    Array.from({ length: pieces }, (_, i) => data.subarray(i * stride, i * stride + length)),
  );
}

/** What the Node process of a program with much JSON in its heap has in its writable memory. */
async function processMemory(): Promise<Buffer> {
  if (process.platform !== "linux") throw new Error(`this is ${process.platform}`);
  const file = require.resolve("@mdn/browser-compat-data");
  const program = `globalThis.data = JSON.parse(require("fs").readFileSync(${JSON.stringify(file)}, "utf8"));
    console.log("ready"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--eval", program], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await new Promise((resolve, reject) => {
      child.stdout.once("data", resolve);
      child.once("error", reject);
    });
    return Buffer.concat(privatePages(`/proc/${child.pid}`));
  } finally {
    child.kill();
  }
}

function privatePages(folder: string): Buffer[] {
  const memory = openSync(`${folder}/mem`, "r");
  const pages: Buffer[] = [];
  for (const line of readFileSync(`${folder}/maps`, "utf8").split("\n")) {
    // Anonymous, private, writable: what a system would swap.
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw.p [0-9a-f]+ 00:00 0 *(?:\[heap\])?$/.exec(line);
    if (!match) continue;
    const start = Number.parseInt(match[1], 16);
    const length = Number.parseInt(match[2], 16) - start;
    if (length > 2 ** 29) continue;
    const bytes = Buffer.alloc(length);
    const got = readSync(memory, bytes, 0, length, start);
    for (let at = 0; at + PAGE_BYTES <= got; at += PAGE_BYTES) {
      const page = bytes.subarray(at, at + PAGE_BYTES);
      if (!sameFilled(page)) pages.push(page);
    }
  }
  closeSync(memory);
  return pages;
}

function sameFilled(page: Buffer): boolean {
  return page.subarray(8).equals(page.subarray(0, -8));
}

/**
 * The type declarations of Node and of the compiler of AssemblyScript's library: code with comments.
 *
 * @param packages - whose declarations come behind these.
 */
export function sourceText(packages: readonly string[] = []): Buffer {
  const folders = [
    dirname(require.resolve("@types/node/package.json")),
    join(dirname(require.resolve("assemblyscript/package.json")), "std/assembly"),
    ...packages.map((name) => dirname(require.resolve(`${name}/package.json`))),
  ];
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .sort()
      .map((name) => join(folder, name)),
  );
  return Buffer.concat(files.map((file) => readFileSync(file)));
}
