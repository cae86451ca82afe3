import { builtin, nextTurn } from "../../src/base/index.ts";

type Call = (...args: unknown[]) => unknown;
type Functions = Record<string, Call>;

/** Calls after which another program could do something: what a file is written to, read from, or renamed by. */
const GATED_OF_FILE = new Set(["read", "write", "writeFile"]);
const GATED = new Set(["rename"]);
/** No read gives more, so that reading a file takes many turns. */
const READ_BYTES_MIN = 100;
const READ_BYTES_STEP = 450;
const PATIENCE_MS = 60_000;

/**
 * Puts gates before the calls of `node:fs/promises` that concern one folder: each waits until it is let through, so a
 * history says when a save or a load goes on, and what happens between.
 */
export class Gates {
  /** True: every call goes through at once. */
  isOpen = false;
  readonly #folder: string;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #reads = 0;
  readonly #undo: () => void;

  constructor(folder: string) {
    this.#folder = folder;
    const fs = builtin<object>("node:fs/promises") as unknown as Functions;
    const before = { ...fs };
    for (const [name, real] of Object.entries(before)) {
      if (typeof real !== "function") continue;
      fs[name] = (...args: unknown[]): unknown => {
        const isOurs = args.some((arg) => typeof arg === "string" && arg.startsWith(this.#folder));
        if (!isOurs) return real.apply(fs, args);
        return this.#call(GATED.has(name), async () => {
          const result = await real.apply(fs, args);
          return name === "open" ? this.#fileOf(result as object) : result;
        });
      };
    }
    this.#undo = () => void Object.assign(fs, before);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Lets one call through, and waits until all that can go on has. */
  async pass(which: number): Promise<void> {
    const [open] = this.#waiting.splice(which % this.#waiting.length, 1);
    open();
    await this.quiet();
  }

  /** Waits until nothing goes on but at gates. */
  async quiet(): Promise<void> {
    const started = performance.now();
    for (let still = 0; still < 3; ) {
      if (performance.now() - started > PATIENCE_MS) throw new Error("a file call does not end");
      await new Promise<void>(nextTurn);
      still = this.#running === 0 ? still + 1 : 0;
    }
  }

  /** Lets everything through from here on, and waits for its end. */
  async close(): Promise<void> {
    this.isOpen = true;
    for (const open of this.#waiting.splice(0)) open();
    await this.quiet();
    this.#undo();
  }

  async #call(isGated: boolean, work: () => Promise<unknown>): Promise<unknown> {
    if (isGated && !this.isOpen) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
    }
  }

  #fileOf(file: object): object {
    return new Proxy(file, {
      get: (target, name) => {
        const real = Reflect.get(target, name, target) as unknown;
        if (typeof real !== "function" || typeof name !== "string") return real;
        // What is on the disk for good matters to nobody here, and takes milliseconds.
        if (name === "sync" || name === "datasync") return () => Promise.resolve();
        return (...args: unknown[]): unknown => {
          const given = name === "read" ? this.#short(args) : args;
          return this.#call(GATED_OF_FILE.has(name), async () => await (real as Call).apply(target, given));
        };
      },
    });
  }

  #short(args: unknown[]): unknown[] {
    const [buffer, offset = 0, length, ...rest] = args;
    if (!(buffer instanceof Uint8Array) || typeof offset !== "number") return args;
    const most = READ_BYTES_MIN + (this.#reads++ % 7) * READ_BYTES_STEP;
    const wanted = typeof length === "number" ? length : buffer.length - offset;
    return [buffer, offset, Math.min(wanted, most), ...rest];
  }
}
