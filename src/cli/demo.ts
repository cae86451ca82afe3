import { ZbudError } from "../base/index.ts";
import {
  bytesText,
  countText,
  type Estimate,
  type EstimateInput,
  type EstimateOptions,
  pageSizeText,
  percentText,
  ratioText,
} from "../estimate/index.ts";
import { findData, findText } from "./demo-data.ts";
import { withDataProcess } from "./demo-process.ts";
import { styleFor } from "./style.ts";
import { type Column, tableLines } from "./text-table.ts";

/** Less of each than an estimate alone reads, so that all three end within seconds. */
const SAMPLE_BYTES = 24 * 1024 * 1024;

/** How the demonstration is to run. */
export interface DemoRun {
  json: boolean;
  signal: AbortSignal;
  estimateOne(input: EstimateInput, options: EstimateOptions): Promise<Estimate>;
}

/**
 * Estimates what every machine has: the memory of a Node process with real data loaded (on Linux), the program
 * that runs it, and text that came with it.
 */
export async function runDemo(options: EstimateOptions, run: DemoRun): Promise<void> {
  const { title, dim } = styleFor(process.stdout);
  const say = (text: string): void => {
    if (!run.json) process.stdout.write(`${text}\n`);
  };
  const limited = { sampleBytes: SAMPLE_BYTES, ...options };
  say(title("What would compressed memory save? Three samples of what this machine has."));
  say(dim("For data of your own: zbud estimate FILE, FOLDER or --pid N (in a clone: npm start -- FILE)"));

  const shown: { name: string; estimate: Estimate }[] = [];
  const show = async (name: string, input: EstimateInput): Promise<void> => {
    shown.push({ name, estimate: await run.estimateOne(input, limited) });
  };

  const data = findData();
  const loaded = `${data.name} (${bytesText(data.bytes)} of JSON)`;
  say(dim(`\n1 of 3: a Node process starts, and loads ${loaded} …`));
  try {
    await withDataProcess(data.files, run.signal, (pid) =>
      show("memory of a Node process", { pid, label: `Memory of a Node process that has loaded ${loaded}` }),
    );
  } catch (error) {
    // Not Linux, or a sandbox: the other two still say something.
    if (!(error instanceof ZbudError) || error.code === "ECORRUPT") throw error;
    say(`Left out: ${error.message}`);
  }

  say(dim("\n2 of 3: the program that runs this …"));
  await show("a program", { paths: [process.execPath], label: `A program: ${process.execPath}` });

  const text = findText();
  if (text.files.length > 0) {
    say(dim(`\n3 of 3: ${text.name} …`));
    const label = `Text: ${countText(text.files.length)} ${text.name} (${bytesText(text.bytes)})`;
    await show("text", { paths: text.files, label });
  }
  say(`\n${title("In short")}`);
  for (const line of tableLines(SUMMARY_COLUMNS, shown.map(summaryCells))) say(`  ${line}`);
}

const SUMMARY_COLUMNS: Column[] = [
  { title: "", align: "left" },
  { title: "bytes", align: "right" },
  { title: "held in", align: "right" },
  { title: "ratio", align: "right" },
  { title: "saved", align: "right" },
  { title: "with", align: "left" },
];

function summaryCells({ name, estimate }: { name: string; estimate: Estimate }): string[] {
  const { best } = estimate.advice;
  return [
    name,
    bytesText(best.inputBytes),
    bytesText(best.heldBytes),
    ratioText(best.ratio),
    percentText(best.savedShare),
    `${best.codec}, ${bytesText(best.unit)} units, ${best.driver} pages of ${pageSizeText(best)}`,
  ];
}
