import { setTimeout as sleep } from "node:timers/promises";
import type { Tick } from "../viewer/index.ts";
import { topText } from "./counter-lines.ts";
import { type Key, Keys } from "./key-presses.ts";
import { ScrollScreen } from "./scroll-screen.ts";
import { type Style, styleFor } from "./style.ts";
import type { TopLook, TopSource } from "./top-source.ts";

/** Rates are over so many looks, so that they do not flicker. */
const LOOKS_KEPT = 4;

/** `zbud top` on a terminal: looks again and again, and hears keys meanwhile. */
export class TopScreen {
  readonly #source: TopSource;
  readonly #every: number;
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal;
  readonly #style: Style = styleFor(process.stdout);
  readonly #before: Tick[] = [];
  #screen!: ScrollScreen;
  #look: TopLook | null = null;
  /** Settled when it goes on; null: it is not paused. */
  #paused: PromiseWithResolvers<void> | null = null;

  constructor(source: TopSource, every: number, signal: AbortSignal) {
    this.#source = source;
    this.#every = every;
    this.#signal = AbortSignal.any([signal, this.#ended.signal]);
  }

  /** Until a key or a signal ends it, or so many looks are taken. */
  async run(looks: number | undefined): Promise<void> {
    const { stdout } = process;
    const keys = new Keys(true, (key) => this.#take(key));
    this.#screen = new ScrollScreen(stdout, this.#style, keys.areHeard);
    const resized = (): void => {
      this.#screen.clear();
      this.#draw();
    };
    stdout.on("resize", resized);
    this.#signal.addEventListener("abort", () => this.#paused?.resolve());
    try {
      for (let look = 1; ; look++) {
        const found = await this.#source.look(this.#signal);
        // Of a viewer that is asked more often than it looks, the same may come twice.
        if (this.#look !== null && this.#look.tick.at < found.tick.at) this.#before.push(this.#look.tick);
        if (this.#before.length > LOOKS_KEPT) this.#before.shift();
        this.#look = found;
        this.#draw();
        if (look === looks) return;
        await sleep(Math.max(this.#every, found.restMs), undefined, { signal: this.#signal });
        await this.#paused?.promise;
        this.#signal.throwIfAborted();
      }
    } catch (error) {
      if (!this.#ended.signal.aborted) throw error;
    } finally {
      stdout.off("resize", resized);
      keys.dispose();
    }
  }

  #take(key: Key): void {
    if (key === "quit") {
      this.#ended.abort();
    } else if (key === "space") {
      if (this.#paused === null) this.#paused = Promise.withResolvers();
      else {
        this.#paused.resolve();
        this.#paused = null;
      }
      this.#draw();
    } else {
      this.#screen.key(key);
    }
  }

  #draw(): void {
    if (this.#look === null) return;
    const { columns, rows } = this.#screen;
    const text = topText(this.#look, this.#before[0] ?? null, this.#style, { columns, rows });
    const hint = this.#paused === null ? "space pauses, q ends" : "PAUSED: space goes on, q ends";
    this.#screen.show(text, hint);
  }
}
