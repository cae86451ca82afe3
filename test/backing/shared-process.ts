import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { BackingStats, FileBackingOptions } from "../../src/backing/index.ts";

/** What a process is to do with its store. */
export type Order =
  | { do: "open"; path: string; options: FileBackingOptions }
  | { do: "write"; number: number; version: number; length: number }
  | { do: "read" | "delete"; number: number }
  | { do: "hang"; call: "read" | "write" | "sync" }
  | { do: "clear" | "flush" | "stats" | "recover" | "verify" | "close" };

export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

export interface Opened {
  readonly found: string;
  readonly records: number;
  readonly id: string;
}

const CHILD = fileURLToPath(new URL("./shared-child.ts", import.meta.url));

/** Those that were started, to be ended with the tests. */
const started: Set<ChildProcess> = new Set();
process.once("exit", () => {
  for (const child of started) child.kill("SIGKILL");
});

/** A process of its own with a store, as this one has it in its hand. */
export class SharedProcess {
  readonly #child: ChildProcess;
  readonly #waiting: Map<number, (answer: Answer) => void> = new Map();
  readonly #exited: Promise<unknown>;
  #hung: (() => void) | undefined;
  #orders = 0;

  private constructor() {
    this.#child = fork(CHILD, {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      serialization: "advanced",
    });
    started.add(this.#child);
    this.#exited = once(this.#child, "exit");
    this.#child.on("message", (message: Answer | { hangs: string }) => {
      if ("hangs" in message) this.#hung?.();
      else {
        this.#waiting.get(message.id)?.(message);
        this.#waiting.delete(message.id);
      }
    });
    void this.#exited.then(() => {
      started.delete(this.#child);
      const error = { code: "EXIT", message: "the process ended" };
      for (const [id, answer] of this.#waiting) answer({ id, error });
    });
  }

  /** One that has nothing open yet. */
  static start(): SharedProcess {
    return new SharedProcess();
  }

  /** One that has a file open. */
  static async open(path: string, options: FileBackingOptions): Promise<SharedProcess> {
    const made = new SharedProcess();
    await made.open(path, options);
    return made;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** @throws an error with the code and message of what it threw. */
  async #order(order: Order): Promise<unknown> {
    const id = this.#orders++;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, resolve);
    this.#child.send({ id, order }, (error) => {
      if (error !== null) resolve({ id, error: { code: "EXIT", message: error.message } });
    });
    const { result, error } = await promise;
    if (error === undefined) return result;
    throw Object.assign(new Error(error.message), { code: error.code });
  }

  async open(path: string, options: FileBackingOptions): Promise<Opened> {
    return (await this.#order({ do: "open", path, options })) as Opened;
  }

  async write(number: number, version: number, length = 1000): Promise<string> {
    return (await this.#order({ do: "write", number, version, length })) as string;
  }

  /** The version that was found; its bytes were compared. */
  async read(number: number): Promise<number | null> {
    return (await this.#order({ do: "read", number })) as number | null;
  }

  async delete(number: number): Promise<void> {
    await this.#order({ do: "delete", number });
  }

  async stats(): Promise<BackingStats> {
    return (await this.#order({ do: "stats" })) as BackingStats;
  }

  async recover(): Promise<number> {
    return (await this.#order({ do: "recover" })) as number;
  }

  async clear(): Promise<void> {
    await this.#order({ do: "clear" });
  }

  async flush(): Promise<void> {
    await this.#order({ do: "flush" });
  }

  async verify(): Promise<void> {
    await this.#order({ do: "verify" });
  }

  /** Closes its store, and ends. */
  async close(): Promise<void> {
    await this.#order({ do: "close" });
    this.#child.disconnect();
    await this.#exited;
  }

  /** From here on these calls of its file never end. Resolves when it was told. */
  async hang(call: "read" | "write" | "sync"): Promise<void> {
    await this.#order({ do: "hang", call });
  }

  /** When a call hangs the next time. */
  hangs(): Promise<void> {
    return new Promise((resolve) => {
      this.#hung = resolve;
    });
  }

  stop(): void {
    this.#child.kill("SIGSTOP");
  }

  goOn(): void {
    this.#child.kill("SIGCONT");
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
