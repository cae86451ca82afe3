import { Command } from "commander";
import { hideFfiWarning } from "./ffi-warning.ts";
import { styleFor } from "./style.ts";

const EXAMPLES = `
Examples:
  zbud list                   all of this user
  zbud list app /mnt/cache    these: a name, or the path of a file
  zbud list --json

What processes share under a name, made with the option shared: "app" of a
cache, a page store or a pool. It is looked at from outside: nothing is opened,
and nobody is disturbed.

  bytes      what it takes of the machine's memory now
  limit      the most that it may take
  entries    of a cache or a store; of a pool its pages in use. Or why there are
             none: "outdated", of an earlier start of the machine; "other
             version", of zbud; "damaged". Such is made anew by whoever opens it
  processes  that have it open, and their threads, this moment
  age        since it was made`;

interface ListFlags {
  json?: true;
}

/** `zbud list`. */
export function listCommand(): Command {
  return new Command("list")
    .description("List the memory that processes share: what it is, how large, and who is at it.")
    .argument("[name...]", "names, or paths of files (default: all names of this user)")
    .option("--json", "print it as JSON")
    .addHelpText("after", EXAMPLES)
    .action(runList);
}

async function runList(names: string[], { json }: ListFlags): Promise<void> {
  hideFfiWarning();
  const [{ infoOf, infosOfFolder, notThere, pathOf }, { listLines }, { segmentFolder }] = await Promise.all([
    import("./shared-memory.ts"),
    import("./shared-memory-text.ts"),
    import("../memory/index.ts"),
  ]);
  const infos =
    names.length === 0
      ? infosOfFolder()
      : names.map((name) => {
          const path = pathOf(name);
          const info = infoOf(name, path);
          if (info === null) throw notThere(name, path);
          return info;
        });
  const { stdout } = process;
  if (json) {
    stdout.write(`${JSON.stringify(infos, null, 2)}\n`);
    return;
  }
  if (infos.length === 0) {
    stdout.write(`No processes share memory under a name: ${segmentFolder()} has none.\n`);
    return;
  }
  // What goes into a file or another program is not shortened.
  const columns = stdout.isTTY ? stdout.columns || 80 : Number.POSITIVE_INFINITY;
  stdout.write(`${listLines(infos, Date.now(), columns, styleFor(stdout)).join("\n")}\n`);
}
