import { Command } from "commander";
import { countText, show, ZbudError } from "../base/index.ts";
import { DifferenceError } from "./failure.ts";
import { hideFfiWarning } from "./ffi-warning.ts";
import { printable } from "./printable.ts";

const EXAMPLES = `
Examples:
  zbud verify app
  zbud verify /mnt/cache

It joins as one more thread and walks through everything, shard by shard. Others
that want the shard wait so long, some 3 s for a million entries, and give up
after 10 s: while processes use it, larger ones take --force. Exit code 1:
something contradicts itself, and the line says what.`;

/** Entries that may be walked while others wait. */
const WALKED_MAX = 1_000_000;

/** `zbud verify`. */
export function verifyCommand(): Command {
  return new Command("verify")
    .description("Check everything in a cache, store or pool that processes share under a name.")
    .argument("<name>", "its name, or the path of its file")
    .option("--force", "even if the processes that use it must wait for long")
    .addHelpText("after", EXAMPLES)
    .action(runVerify);
}

async function runVerify(name: string, { force = false }: { force?: boolean }): Promise<void> {
  hideFfiWarning();
  const [{ openMemory }, { processesText }, { verify }] = await Promise.all([
    import("./shared-memory.ts"),
    import("./shared-memory-text.ts"),
    import("../diagnostics/index.ts"),
  ]);
  try {
    const opened = openMemory(name);
    try {
      const { processes } = opened.info();
      if (!force && opened.most > WALKED_MAX && processes?.length !== 0) {
        throw new ZbudError(
          "EBUSY",
          `${show(name)} is ${processesText(processes)}, which would wait while its ${countText(opened.most)} entries are walked; verify it when nobody uses it, or with --force`,
        );
      }
      verify(opened.thing);
      process.stdout.write(`${printable(name)}: ok, ${printable(String(opened.thing))}\n`);
    } finally {
      opened.close();
    }
  } catch (error) {
    if (!(error instanceof ZbudError)) throw error;
    if (error.code === "EBADMSG") throw new DifferenceError(error.message.replace(/ \(EBADMSG\)$/, ""));
    throw error;
  }
}
