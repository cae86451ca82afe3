import { fstatSync } from "node:fs";
import { COMMANDS, runCommandLine } from "./program.ts";

/** A command in front of a pipe had as long as npm takes to start; it gets so much more for its first byte. */
const FIRST_BYTE_MS = 300;

/**
 * `npm start`: without arguments it estimates what is piped in; with nothing piped in it shows what zbud is
 * for, on data that every machine has. With some, it is the command line; what names no command is taken as
 * something to estimate.
 */
const args = process.argv.slice(2);
const isCommand = COMMANDS.includes(args[0]) || /^(-h|--help|help|-V|--version)$/.test(args[0] ?? "");
if (args.length > 0) await runCommandLine(isCommand ? args : ["estimate", ...args]);
else await runCommandLine((await isFed()) ? ["estimate", "-"] : ["estimate", "--demo"]);

/** Whether standard input has bytes: an open pipe alone says nothing, a service or CI job may have one. */
async function isFed(): Promise<boolean> {
  try {
    const stat = fstatSync(0);
    if (stat.isFile()) return stat.size > 0;
    if (!stat.isFIFO() && !stat.isSocket()) return false;
  } catch {
    return false;
  }
  const { stdin } = process;
  return await new Promise((resolve) => {
    const decide = (): void => {
      clearTimeout(timer);
      stdin.off("readable", decide).off("end", decide).off("error", decide);
      const fed = stdin.readableLength > 0;
      // A pipe that nobody reads must not keep the process from ending.
      if (!fed) stdin.destroy();
      resolve(fed);
    };
    const timer = setTimeout(() => {
      process.stderr.write("Nothing comes from the pipe so far; to wait for it: npm start -- -\n");
      decide();
    }, FIRST_BYTE_MS);
    stdin.on("readable", decide).on("end", decide).on("error", decide);
  });
}
