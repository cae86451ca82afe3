import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { classesCommand } from "./classes-command.ts";
import { estimateCommand } from "./estimate-command.ts";
import { exitCodeOf, failureText, UsageError } from "./failure.ts";
import { Interruption } from "./interruption.ts";
import { helpWidth, termLines } from "./layout.ts";
import { listCommand } from "./list-command.ts";
import { mapCommand } from "./map-command.ts";
import { replayCommand } from "./replay-command.ts";
import { rmCommand } from "./rm-command.ts";
import { statsCommand } from "./stats-command.ts";
import { topCommand } from "./top-command.ts";
import { verifyCommand } from "./verify-command.ts";
import { viewCommand } from "./view-command.ts";

/** The commands' names. */
export const COMMANDS: readonly string[] = [
  ...["estimate", "replay", "view", "top", "map"],
  ...["list", "stats", "verify", "rm", "classes"],
];

const EXIT_CODES: [string, string][] = [
  ["0", "done"],
  [
    "1",
    "it ran, but a trace's results differ (zbud replay), shared memory is damaged (zbud verify), bytes came back different (a bug, please report it), or the output could not be written",
  ],
  ["2", "the command line or the input cannot be used; one line on standard error says why"],
  ["130", "stopped with Ctrl-C (143: by SIGTERM, 129: by SIGHUP)"],
];
/** Narrower than this commander does not break lines by itself. */
const HELP_WRAP_MIN = 12;

function exitCodes(): string {
  return ["", "Exit codes:", ...termLines(EXIT_CODES, helpWidth())].join("\n");
}

/**
 * Runs one command line to its end and sets the exit code. Never rejects: what goes wrong is said in one line
 * on standard error.
 */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  watchOutput();
  const interruption = new Interruption();
  try {
    await createProgram(interruption).parseAsync(args, { from: "user" });
  } catch (error) {
    fail(error, interruption);
  } finally {
    interruption.dispose();
  }
}

function createProgram(interruption: Interruption): Command {
  const program = new Command("zbud")
    .description(
      "Compressed memory: see what it would save on your data, replay recorded workloads, watch the pools of running programs, and look after the memory that processes share.",
    )
    .version(`zbud ${packageJson.version}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .addCommand(estimateCommand(interruption))
    .addCommand(replayCommand(interruption))
    .addCommand(viewCommand(interruption))
    .addCommand(topCommand(interruption))
    .addCommand(mapCommand(interruption))
    .addCommand(listCommand())
    .addCommand(statsCommand())
    .addCommand(verifyCommand())
    .addCommand(rmCommand())
    .addCommand(classesCommand())
    .addHelpText("after", exitCodes)
    .action((_options, command: Command) => {
      const [name] = command.args;
      if (name === undefined) command.help();
      const hint = COMMANDS.map((known) => `zbud ${known}`).join(", ");
      throw new UsageError(
        `unknown command "${name}": there are ${hint}; to estimate a file: zbud estimate ${name}`,
      );
    })
    .allowExcessArguments();
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .configureOutput({ outputError: () => {} })
      .configureHelp({ helpWidth: helpWidth(), minWidthToWrap: HELP_WRAP_MIN });
    if (command !== program)
      command.helpOption("-h, --help", "print this help").addHelpText("after", exitCodes);
  }
  return program;
}

function fail(error: unknown, interruption: Interruption): void {
  if (interruption.signal.aborted) {
    process.exitCode = interruption.exitCode;
    return;
  }
  if (error instanceof CommanderError && error.exitCode === 0) return;
  process.exitCode = exitCodeOf(error);
  process.stderr.write(`zbud: ${failureText(error)}\n`);
}

/**
 * `zbud … | head` closes the pipe when it has enough: no reason to complain, or to go on. A disk that is full
 * is one.
 */
function watchOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit();
      if (stream === process.stdout) {
        process.stderr.write(
          `zbud: the output cannot be written (${error.code}): make room, or write elsewhere\n`,
        );
      }
      process.exit(1);
    });
  }
}
