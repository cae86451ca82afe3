import { CommanderError } from "commander";
import { ZbudError } from "../base/index.ts";
import { printable, printableLines } from "./printable.ts";

/** A command line that cannot be understood; the message says what can. */
export class UsageError extends Error {}

/** A run that found what it was to look for: results that differ. */
export class DifferenceError extends Error {}

/** 2 for what the user can mend, 1 for everything else. */
export function exitCodeOf(error: unknown): 1 | 2 {
  if (error instanceof UsageError || error instanceof CommanderError) return 2;
  return error instanceof ZbudError && error.code !== "ECORRUPT" ? 2 : 1;
}

/** One line for the user. Only what nobody expected keeps its stack: whoever reports it needs that. */
export function failureText(error: unknown): string {
  if (error instanceof CommanderError) {
    const text = oneLine(error.message.replace(/^error: /, ""));
    return text.includes("Did you mean") ? text : `${text} (--help tells what there is)`;
  }
  if (error instanceof UsageError || error instanceof DifferenceError) return oneLine(error.message);
  if (error instanceof ZbudError) return oneLine(error.message.replace(/ \([A-Z]+\)$/, ""));
  const stack = error instanceof Error ? error.stack : String(error);
  return printableLines(`a bug, please report it: ${stack}`);
}

function oneLine(text: string): string {
  return printable(text.trim().replaceAll(/\s*\n\s*/g, " "));
}
