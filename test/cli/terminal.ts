/** Commands on a terminal of their own, of a given size, with util-linux's `script`. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { until } from "../support/until.ts";
import { MAIN, QUIET } from "./command.ts";

export const HAS_TERMINAL: boolean =
  process.platform === "linux" && spawnSync("script", ["--version"]).stdout?.includes("util-linux") === true;

const HOME = "\x1b[H";
const CLEAR_BELOW = "\x1b[J";

const open = new Set<ChildProcess>();
after(() => {
  for (const child of open) child.kill();
});

/** A command that draws screens, one over the other. */
export class Terminal {
  readonly rows: number;
  readonly columns: number;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #text = "";

  constructor(args: readonly string[], rows: number, columns: number) {
    this.rows = rows;
    this.columns = columns;
    const command = [process.execPath, QUIET, MAIN, ...args].map((word) => `'${word}'`).join(" ");
    const line = `stty rows ${rows} cols ${columns}; ${command}`;
    this.#child = spawn("script", ["-qec", line, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit"],
      env: {
        ...process.env,
        ...{ TERM: "xterm-256color", NO_COLOR: undefined, FORCE_COLOR: undefined, CI: undefined },
      },
    });
    open.add(this.#child);
    this.#closed = once(this.#child, "close").then(() => open.delete(this.#child));
    this.#child.stdout?.setEncoding("utf8").on("data", (piece: string) => {
      this.#text += piece;
    });
  }

  /** All that was written, without marks. */
  get text(): string {
    return stripVTControlCharacters(this.#text).replaceAll("\r", "");
  }

  /** Every screen that was drawn whole, as its lines. */
  get screens(): string[][] {
    const [, ...drawn] = this.#text.split(HOME);
    return drawn
      .filter((text) => text.includes(CLEAR_BELOW))
      .map((text) =>
        stripVTControlCharacters(text.split(CLEAR_BELOW)[0]).replaceAll("\r", "").trimEnd().split("\n"),
      );
  }

  press(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** Waits until the last screen is as wanted, and gives its lines. */
  async shows(what: string, isSo: (text: string) => boolean): Promise<string[]> {
    try {
      await until(what, () => isSo(this.screens.at(-1)?.join("\n") ?? ""), { everyMs: 20 });
    } catch (error) {
      assert.fail(`${(error as Error).message}; it shows\n${this.screens.at(-1)?.join("\n") ?? this.text}`);
    }
    return this.screens.at(-1) as string[];
  }

  /** Waits for its end; gives its exit code. */
  async ended(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }

  /** No screen that was drawn has more lines than there are, or a line that is too long. */
  checkFit(): void {
    for (const lines of this.screens) {
      assert.ok(lines.length < this.rows, `${lines.length} lines on ${this.rows}`);
      for (const line of lines)
        assert.ok(line.length <= this.columns, `${line.length} of ${this.columns}: ${line}`);
    }
  }
}
