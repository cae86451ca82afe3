/** Processes that do what a test tells them. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Answer, Op, Order } from "./actor.ts";
import type { Program } from "./programs.ts";

const alive = new Set<Actor>();

/** Ends those that a test that failed left. */
export function endActors(): void {
  for (const actor of alive) actor.process.kill("SIGKILL");
}
process.once("exit", endActors);

/** One of them. */
export class Actor {
  readonly process: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor({ file }: Program) {
    this.process = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", file], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#ended = once(this.process, "exit");
    alive.add(this);
    this.process.once("exit", () => alive.delete(this));
  }

  /** Has an order obeyed. Gives its value, or throws what it threw. */
  async tell(order: Order): Promise<unknown> {
    const { value, error } = await this.ask(order);
    if (error !== undefined) throw Object.assign(new Error(`${order.order}: ${error.message}`), error);
    return value;
  }

  /** As {@link tell}; an error is an answer as well. */
  async ask(order: Order): Promise<Answer> {
    const answer = once(this.process, "message");
    this.process.send(order);
    const ended = this.#ended.then(() => assert.fail(`a process ended at the order ${order.order}`));
    return ((await Promise.race([answer, ended])) as [Answer])[0];
  }

  async run(...ops: Op[]): Promise<unknown[]> {
    return (await this.tell({ order: "run", ops })) as unknown[];
  }

  /** Ends it at once, without a word to what it had open. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.#ended;
  }

  /** Lets it end by itself. */
  async end(): Promise<void> {
    this.process.disconnect();
    await this.#ended;
  }
}

/** Starts an actor with a cache open. */
export async function actorAt(
  program: Program,
  path: string,
  options: Record<string, unknown>,
  listens = false,
): Promise<Actor> {
  const actor = new Actor(program);
  await actor.tell({ order: "open", path, options, listens });
  return actor;
}
