import { Command } from "commander";
import { bytesText, ZbudError } from "../base/index.ts";
import { failureText, UsageError } from "./failure.ts";
import { hideFfiWarning } from "./ffi-warning.ts";
import { printable } from "./printable.ts";

const EXAMPLES = `
Examples:
  zbud rm app                 what nobody uses, with all that is in it
  zbud rm app pages --force   also while processes use it

By force: processes that use it go on with what they have, apart from whoever
opens the name after this. Its memory goes with the last of them.`;

/** `zbud rm`. */
export function rmCommand(): Command {
  return new Command("rm")
    .description("Remove memory that processes share under a name, unless one uses it.")
    .argument("<name...>", "names, or paths of files")
    .option("--force", "also while processes use it")
    .addHelpText("after", EXAMPLES)
    .action(runRm);
}

/** What cannot be removed does not keep the others from it. */
async function runRm(names: string[], { force = false }: { force?: boolean }): Promise<void> {
  hideFfiWarning();
  const [{ notThere, pathOf, processesOf }, { processesText }, { removeSegment }] = await Promise.all([
    import("./shared-memory.ts"),
    import("./shared-memory-text.ts"),
    import("../memory/index.ts"),
  ]);
  const faults: unknown[] = [];
  for (const name of names) {
    try {
      const path = pathOf(name);
      const removed = removeSegment(path, force);
      if (removed === null) throw notThere(name, path);
      const { threads, bytes, wasWhole } = removed;
      const what = wasWhole ? "" : "what was left of some that were never whole, ";
      const freed =
        threads.length === 0
          ? `${bytesText(bytes)} freed`
          : `${bytesText(bytes)} are freed when it is closed: it is ${processesText(processesOf(threads))}`;
      process.stdout.write(`${printable(name)}: removed, ${what}${freed}\n`);
    } catch (error) {
      if (!(error instanceof ZbudError)) throw error;
      faults.push(error);
    }
  }
  if (faults.length > 0) throw new UsageError(faults.map(failureText).join("; "));
}
