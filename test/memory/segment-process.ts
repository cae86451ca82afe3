/** Processes that open segments, for tests that tell them what to do and kill them. */

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { oneFile } from "../support/one-file.ts";
import type { SegmentOptions } from "./segments.ts";

/** A program of this folder as one file. */
export async function bundled(name: string): Promise<string> {
  return fileURLToPath(await oneFile(join(import.meta.dirname, name)));
}

/** What {@link SegmentProcess} can be asked. */
export type Task =
  | { do: "open"; options: SegmentOptions }
  | { do: "close" | "spawn" | "start worker" | "terminate worker" | "end worker" | "lock folder" };

export interface Answer {
  isNew?: boolean;
  inode?: number;
  member?: number;
  pid?: number;
  /** Code and message of the error. */
  error?: string;
  message?: string;
}

/** A process that opens segments when it is told to, to be disposed of: it is killed. */
export class SegmentProcess {
  readonly child: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  private constructor(bundle: string, execArgv: readonly string[]) {
    this.child = fork(bundle, [], { execArgv: ["--disable-warning=ExperimentalWarning", ...execArgv] });
    this.#ended = once(this.child, "exit");
  }

  static async start(execArgv: readonly string[] = []): Promise<SegmentProcess> {
    return new SegmentProcess(await bundled("segment-child.ts"), execArgv);
  }

  async ask(task: Task): Promise<Answer> {
    this.child.send(task);
    const said = once(this.child, "message");
    const [answer] = await Promise.race([said, this.#ended.then(() => [null])]);
    return (answer as Answer | null) ?? assert.fail("the process ended");
  }

  /** Opens a segment; an error fails the test. */
  async open(options: SegmentOptions): Promise<Answer> {
    const answer = await this.ask({ do: "open", options });
    assert.equal(answer.error, undefined, answer.message ?? "");
    return answer;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
