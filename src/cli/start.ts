import { COMMANDS, runCommandLine } from "./program.ts";

/**
 * `npm start`: without arguments it shows what zbud is for, on data that every machine has. With some, it is
 * the command line; what names no command is taken as something to estimate.
 */
const args = process.argv.slice(2);
const isCommand = COMMANDS.includes(args[0]) || /^(-h|--help|help|-V|--version)$/.test(args[0] ?? "");
if (args.length === 0) await runCommandLine(["estimate", "--demo"]);
else await runCommandLine(isCommand ? args : ["estimate", ...args]);
