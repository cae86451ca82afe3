#!/usr/bin/env node
import { runCommandLine } from "./program.ts";

// Elsewhere a command would end half-way, with an error that looks like a bug.
if ("withResolvers" in Promise && "transferToFixedLength" in ArrayBuffer.prototype) {
  await runCommandLine(process.argv.slice(2));
} else {
  console.error(`zbud: needs Node.js 22.19 or newer; this is ${process.version}`);
  process.exitCode = 2;
}
