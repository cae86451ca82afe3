import { Command, Option } from "commander";
import type { SizeClass } from "../drivers/index.ts";
import { parseInteger, parseSize } from "./sizes.ts";
import { styleFor } from "./style.ts";
import { type Column, tableLines } from "./text-table.ts";

const EXAMPLES = `
Examples:
  zbud classes                    4 KiB pages in groups of at most 4
  zbud classes --group-pages 8
  zbud classes --page-size 16k --json

An object takes a place of the smallest class that it fits. The places of a
group lie side by side in its pages; what is left behind the last one is its
tail.`;

/** The page size that the published numbers of classes are for. */
const PUBLISHED_PAGE_SIZE = 4096;

interface ClassesFlags {
  groupPages?: number;
  pageSize: number;
  json?: boolean;
}

/** `zbud classes`. */
export function classesCommand(): Command {
  return new Command("classes")
    .description(
      "Print the size classes of the zsmalloc driver: how many objects and pages a group has, and what is wasted.",
    )
    .addOption(
      new Option("--group-pages <number>", "the most pages a group, 1 to 16 (default: 4)").argParser((text) =>
        parseInteger(text, "--group-pages", 1, 16),
      ),
    )
    .addOption(
      new Option("--page-size <size>", "bytes a page, such as 4096 or 16k")
        .default(PUBLISHED_PAGE_SIZE)
        .argParser((text) => parseSize(text, "--page-size")),
    )
    .option("--json", "print them as JSON")
    .addHelpText("after", EXAMPLES)
    .action(printClasses);
}

async function printClasses({ groupPages, pageSize, json }: ClassesFlags): Promise<void> {
  const { GROUP_PAGES_DEFAULT, PUBLISHED_CLASS_COUNTS, sizeClassesOf } = await import("../drivers/index.ts");
  const maxGroupPages = groupPages ?? GROUP_PAGES_DEFAULT;
  const classes = sizeClassesOf(pageSize, maxGroupPages);
  if (json) {
    process.stdout.write(`${JSON.stringify({ pageSize, maxGroupPages, classes }, null, 2)}\n`);
    return;
  }
  const { dim, title } = styleFor(process.stdout);
  const [head, ...lines] = tableLines(
    COLUMNS,
    classes.map((each) => cellsOf(each, pageSize)),
  );
  process.stdout.write(`${title(head)}\n${lines.join("\n")}\n\n`);
  const sizes = classes.reduce((sum, each) => sum + each.sizes, 0);
  process.stdout.write(
    `${classes.length} distinct classes, of ${sizes} sizes, for pages of ${pageSize} bytes in groups of at most ${maxGroupPages}\n`,
  );
  if (pageSize !== PUBLISHED_PAGE_SIZE) return;
  process.stdout.write(`\n${title("Distinct classes of 4 KiB pages, by the most pages a group")}\n`);
  const rows = [...PUBLISHED_CLASS_COUNTS].map(([pages, published]) => [
    String(pages),
    String(sizeClassesOf(pageSize, pages).length),
    String(published),
  ]);
  const [counts, ...countLines] = tableLines(COUNT_COLUMNS, rows);
  process.stdout.write(`${dim(counts)}\n${countLines.join("\n")}\n`);
}

const COLUMNS: Column[] = [
  { title: "class, bytes", align: "right" },
  { title: "objects a group", align: "right" },
  { title: "pages a group", align: "right" },
  { title: "tail, bytes", align: "right" },
  { title: "tail, %", align: "right" },
];

const COUNT_COLUMNS: Column[] = [
  { title: "pages", align: "right" },
  { title: "here", align: "right" },
  { title: "published", align: "right" },
];

function cellsOf({ size, objects, pages, tailBytes }: SizeClass, pageSize: number): string[] {
  const percent = (100 * tailBytes) / (pages * pageSize);
  return [size, objects, pages, tailBytes].map(String).concat(percent.toFixed(1));
}
