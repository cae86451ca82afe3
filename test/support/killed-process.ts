import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Runs a program for some time from its first words on, then kills it.
 *
 * @param args - the program's file and its arguments.
 * @param ms - a random time: the moment of the kill is what such a test varies.
 * @returns the whole lines that it printed.
 */
export async function linesUntilKilled(args: readonly string[], ms: number): Promise<string[]> {
  const flags = ["--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...flags, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  let text = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (more: string) => {
    text += more;
  });
  await Promise.race([once(child.stdout, "data"), closed]);
  await new Promise((resolve) => setTimeout(resolve, ms));
  assert.equal(child.exitCode, null, "the process ended by itself");
  child.kill("SIGKILL");
  await closed;
  // The last line may be cut off.
  return text.split("\n").slice(0, -1);
}
