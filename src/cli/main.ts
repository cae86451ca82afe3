#!/usr/bin/env node
import { checkNode, ZbudError } from "../base/index.ts";
import { failureText } from "./failure.ts";
import { runCommandLine } from "./program.ts";

/** Elsewhere a command would end half-way, with an error that looks like a bug. */
function refusal(): string | null {
  try {
    checkNode();
    return null;
  } catch (error) {
    if (error instanceof ZbudError) return failureText(error);
    throw error;
  }
}

const text = refusal();
if (text === null) {
  await runCommandLine(process.argv.slice(2));
} else {
  console.error(text);
  process.exitCode = 2;
}
