import { once } from "node:events";
import { ZbudError } from "../base/index.ts";

/**
 * The child's program. Standard input names files, one a line, and then stays open: when it ends, whoever
 * started the child is gone, and so is the child.
 */
const PROGRAM = `
const { readFileSync } = require("node:fs");
const { createInterface } = require("node:readline");
globalThis.loaded = [];
createInterface({ input: process.stdin })
  .on("line", (line) => {
    if (line === "") return void process.stdout.write("loaded\\n");
    try { globalThis.loaded.push(JSON.parse(readFileSync(line, "utf8"))); } catch {}
  })
  .on("close", () => process.exit());
`;

/**
 * Runs a Node process that has parsed the given JSON files and keeps them, for as long as `work` takes.
 *
 * @throws {ZbudError} `ENOENT` if it does not start.
 */
export async function withDataProcess(
  files: readonly string[],
  signal: AbortSignal,
  work: (pid: number) => Promise<void>,
): Promise<void> {
  // Loaded only here: it takes longer to load than a small estimate takes.
  const { spawn } = await import("node:child_process");
  const child = spawn(process.execPath, ["-e", PROGRAM], { stdio: ["pipe", "pipe", "ignore"] });
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
  });
  try {
    child.stdin.on("error", () => {});
    for (const file of files) child.stdin.write(`${file}\n`);
    child.stdin.write("\n");
    const loaded = await Promise.race([once(child.stdout, "data"), ended, aborted(signal)]);
    signal.throwIfAborted();
    if (loaded === undefined || child.pid === undefined) {
      throw new ZbudError("ENOENT", "the Node process whose memory was to be read did not start");
    }
    await work(child.pid);
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
