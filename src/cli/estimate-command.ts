import { fstatSync } from "node:fs";
import { resolve } from "node:path";
import { addAbortSignal } from "node:stream";
import { Command, Option } from "commander";
import type { Estimate, EstimateInput, EstimateOptions } from "../estimate/index.ts";
import { estimateHelp } from "./estimate-help.ts";
import type { ReportContent } from "./estimate-html.ts";
import { UsageError } from "./failure.ts";
import type { Interruption } from "./interruption.ts";
import { widthFor } from "./layout.ts";
import { checkOutput, writeOutput } from "./output-file.ts";
import { printable } from "./printable.ts";
import { createProgress } from "./progress-bar.ts";
import { parseInteger, parseList, parseSize } from "./sizes.ts";
import { styleFor } from "./style.ts";

const PID_MAX = 2 ** 22;
const COLD_SECONDS = 10;
const COLD_SECONDS_MAX = 86_400;

interface EstimateFlags {
  pid?: number;
  cgroup?: string;
  system?: true;
  cold?: number | true;
  kernel?: true;
  codec?: string[];
  driver?: string[];
  unit?: string[];
  sample?: string;
  seed: number;
  for?: string;
  json?: true;
  html?: string;
  dictionary?: string;
  details?: true;
  demo?: true;
}

/** `zbud estimate`. */
export function estimateCommand(interruption: Interruption): Command {
  return new Command("estimate")
    .description("Say what keeping data in compressed memory would save, and with which settings.")
    .argument("[path...]", "files, folders (with all that is in them), or - for standard input")
    .addOption(
      new Option("--pid <number>", "the memory of a running process (Linux)").argParser((text) =>
        parseInteger(text, "--pid", 1, PID_MAX),
      ),
    )
    .option("--cgroup <path>", "the memory of all processes of a control group (Linux)")
    .option("--system", "the memory of all processes (Linux)")
    .addOption(
      new Option(
        "--cold [seconds]",
        "of processes only what nobody uses for so long (default: 10)",
      ).argParser((text) => parseInteger(text, "--cold", 1, COLD_SECONDS_MAX)),
    )
    .option("--kernel", "for Linux's zram and zswap: which, with what, and the lines to paste")
    .option("--codec <names>", "codecs: lz4, zstd, deflate, none (default: lz4,zstd)", parseList)
    .option("--driver <names>", "pool drivers, such as zbud (default: all)", parseList)
    .option("--unit <sizes>", "bytes compressed at a time (default: 4k,16k)", parseList)
    .addOption(new Option("--sample <size>", "about how much to read, or all (default: 64m)"))
    .addOption(
      new Option("--seed <number>", "chooses what is read")
        .default(1)
        .argParser((text) => parseInteger(text, "--seed", 0, 0xffff_ffff)),
    )
    .addOption(
      new Option("--for <goal>", "what the advice is for: speed, size or balance (default: balance)"),
    )
    .option("--dictionary <file>", "with --kernel: write a dictionary for zram's zstd, and use it if it pays")
    .option("--details", "print all figures: every allocator and page size, or every codec of the kernel")
    .option("--json", "print the figures as JSON, one object a line")
    .option("--html <file>", "write the figures as a page for a browser, one file that needs no other")
    .option("--demo", "estimate what every machine has: a Node process, a program, and text")
    .addHelpText("after", estimateHelp)
    .action((paths: string[], flags: EstimateFlags) => runEstimate(paths, flags, interruption));
}

async function runEstimate(paths: string[], flags: EstimateFlags, { signal }: Interruption): Promise<void> {
  // Loaded here so that --help and bad options need not wait for it.
  const { estimate } = await import("../estimate/index.ts");
  const options: EstimateOptions = { ...readFlags(flags), signal };
  if (flags.kernel) return await runKernel(paths, flags, options, signal);
  if (flags.dictionary !== undefined) {
    throw new UsageError("--dictionary is for the kernel's zram: add --kernel, or leave out --dictionary");
  }
  const json = flags.json === true;
  const estimates: Estimate[] = [];
  if (flags.html !== undefined) await checkOutput("--html", flags.html);
  if (flags.demo) {
    if (paths.length > 0 || flags.pid !== undefined) {
      throw new UsageError(
        "--demo estimates its own data: leave out the paths and --pid, or leave out --demo",
      );
    }
    const { runDemo } = await import("./demo.ts");
    await runDemo(options, { json, signal, estimateOne });
  } else {
    await estimateOne(readInput(paths, flags, signal), options);
  }
  if (flags.html !== undefined) await writePage(flags.html, { estimates }, json);

  async function estimateOne(input: EstimateInput, more: EstimateOptions): Promise<Estimate> {
    const progress = await createProgress(!json);
    try {
      const onProgress = (share: number, doing: string): void => progress.at(share, doing);
      const result = await estimate(input, { ...more, onProgress });
      progress.stop();
      estimates.push(result);
      if (json) {
        process.stdout.write(`${JSON.stringify(result)}\n`);
      } else {
        const { estimateReport } = await import("./estimate-report.ts");
        const paper = { style: styleFor(process.stdout), width: widthFor(process.stdout) };
        process.stdout.write(estimateReport(result, paper, flags.details === true));
      }
      return result;
    } finally {
      progress.stop();
    }
  }
}

/** Writes the report, and says where it is unless figures are all that is wanted. */
async function writePage(file: string, content: ReportContent, json: boolean): Promise<void> {
  const { estimateHtml } = await import("./estimate-html.ts");
  await writeOutput("--html", file, new TextEncoder().encode(estimateHtml(content)));
  if (!json) process.stdout.write(`\nThe page: ${printable(file)}\n`);
}

/** What `--kernel` decides by itself, or cannot have. */
const NOT_WITH_KERNEL = ["codec", "driver", "unit", "demo"] as const;

async function runKernel(
  paths: string[],
  flags: EstimateFlags,
  { sampleBytes, seed, for: goal }: EstimateOptions,
  signal: AbortSignal,
): Promise<void> {
  const other = NOT_WITH_KERNEL.find((name) => flags[name] !== undefined);
  if (other !== undefined) {
    throw new UsageError(
      `--kernel compares what the kernel has: leave out --${other}, or leave out --kernel`,
    );
  }
  const { html } = flags;
  const json = flags.json === true;
  if (html !== undefined) await checkOutput("--html", html);
  const dictionaryFile = await readDictionaryFile(flags.dictionary);
  if (html !== undefined && dictionaryFile === resolve(html)) {
    throw new UsageError("--html and --dictionary name the same file: the page would be lost; name two");
  }
  let dictionary: Uint8Array | null = null;
  const { estimateKernel } = await import("../estimate/index.ts");
  // Whatever standard input is: of a shell without a terminal it is open too, and says nothing.
  const nothingNamed = paths.length === 0 && !flags.pid && !flags.cgroup && !flags.system;
  const scoped = nothingNamed ? { ...flags, system: true as const } : flags;
  const progress = await createProgress(!json);
  try {
    const result = await estimateKernel(readInput(paths, scoped, signal), {
      ...(sampleBytes === undefined ? {} : { sampleBytes }),
      ...(seed === undefined ? {} : { seed }),
      ...(goal === undefined ? {} : { for: goal }),
      ...(dictionaryFile === undefined ? {} : { dictionaryFile }),
      onDictionary: (bytes) => {
        dictionary = bytes;
      },
      signal,
      onProgress: (share, doing) => progress.at(share, doing),
    });
    progress.stop();
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else {
      const { kernelReport } = await import("./kernel-report.ts");
      const paper = { style: styleFor(process.stdout), width: widthFor(process.stdout) };
      process.stdout.write(kernelReport(result, paper, flags.details === true));
    }
    if (html !== undefined) await writePage(html, { kernel: result }, json);
  } finally {
    progress.stop();
  }
  if (dictionaryFile !== undefined) await writeDictionary(dictionaryFile, dictionary, json);
}

/** What stands in a line for zram, in a shell's quotes, and in the generator's brackets. */
const PASTEABLE_PATH = /^[\p{L}\p{N}._+@:~/-]+$/u;

/** zram opens the file itself, so it needs the whole path. */
async function readDictionaryFile(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const path = resolve(file);
  if (!PASTEABLE_PATH.test(path)) {
    throw new UsageError(
      `--dictionary takes a path of letters, digits and ._+@:~-/ alone, since zram reads it from a line of words, and not ${path}`,
    );
  }
  await checkOutput("--dictionary", path);
  return path;
}

async function writeDictionary(file: string, bytes: Uint8Array | null, json: boolean): Promise<void> {
  const { bytesText, DICTIONARY_PAGES_MIN } = await import("../estimate/index.ts");
  if (bytes === null) {
    throw new UsageError(
      `no dictionary was written to ${file}: it is learned from ${DICTIONARY_PAGES_MIN} pages or more that are not one word repeated; estimate more memory, or leave out --dictionary`,
    );
  }
  // Pieces of other programs' memory: for its owner alone. The kernel may read it all the same.
  await writeOutput("--dictionary", file, bytes, 0o600);
  if (!json) process.stdout.write(`\nThe dictionary: ${printable(file)}, ${bytesText(bytes.length)}\n`);
}

function readFlags(flags: EstimateFlags): EstimateOptions {
  const options: EstimateOptions = { seed: flags.seed };
  if (flags.sample !== undefined) {
    options.sampleBytes = flags.sample === "all" ? "all" : parseSize(flags.sample, "--sample");
  }
  if (flags.for !== undefined) options.for = flags.for as NonNullable<EstimateOptions["for"]>;
  for (const name of ["codec", "driver", "unit"] as const) {
    if (flags[name]?.length === 0) throw new UsageError(`--${name} needs a value before or after the comma`);
  }
  if (flags.codec) options.codecs = flags.codec;
  if (flags.driver) options.drivers = flags.driver;
  if (flags.unit) options.units = flags.unit.map((text) => parseSize(text, "--unit"));
  return options;
}

function readInput(paths: string[], flags: EstimateFlags, signal: AbortSignal): EstimateInput {
  const scope = scopeOf(flags);
  const isScoped = Object.keys(scope).length > 0;
  const named = paths.length > 0 || isScoped;
  if (!named && !isPiped()) {
    throw new UsageError(
      "name files or folders, give --pid, --cgroup or --system, or pipe data in (zbud estimate --help has examples)",
    );
  }
  if (!named || paths.includes("-")) {
    if (paths.length > 1 || isScoped) {
      throw new UsageError("- (standard input) is estimated alone: leave out the other paths and --pid");
    }
    return { stream: addAbortSignal(signal, process.stdin), label: "standard input" };
  }
  return { paths, ...scope };
}

/** Which processes are named. */
function scopeOf({ pid, cgroup, system, cold }: EstimateFlags): EstimateInput {
  const scope: EstimateInput = {};
  if (pid !== undefined) scope.pid = pid;
  if (cgroup !== undefined) scope.cgroup = cgroup;
  if (system) scope.system = true;
  if (cold !== undefined) scope.cold = cold === true ? COLD_SECONDS : cold;
  return scope;
}

/** Whether somebody feeds standard input; a terminal or /dev/null feeds nothing. */
function isPiped(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch {
    return false;
  }
}
