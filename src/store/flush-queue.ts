import type { Backing } from "../backing/index.ts";
import { withSignal } from "../base/index.ts";
import type { Writeback } from "./writeback.ts";

/** The flushes of a store, one after the other, and the clears of its backing store that they wait for. */
export class FlushQueue {
  readonly #writeback: Writeback | null;
  readonly #backing: Backing | null;
  /** The last flush that was asked for; it never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  /** Clears that are under way. */
  readonly #clears: Set<Promise<void>> = new Set();
  /** Of a clear that failed, until a flush has thrown it. */
  #clearFault: { error: unknown } | null = null;

  constructor(writeback: Writeback | null, backing: Backing | null) {
    this.#writeback = writeback;
    this.#backing = backing;
  }

  /** A clear that the next flush waits for. If it fails, that flush throws its error. */
  noteClear(cleared: Promise<void>): void {
    const noted = cleared.catch((error: unknown) => {
      this.#clearFault = { error };
    });
    this.#clears.add(noted);
    void noted.then(() => this.#clears.delete(noted));
  }

  /**
   * Flushes after those that were asked for before: of two at once the later would find all pages on their way, and
   * look again and again.
   */
  flush(signal?: AbortSignal): Promise<void> {
    const flushed = this.#last.then(() => this.#flushNow(signal));
    this.#last = flushed.catch(() => {});
    return withSignal(flushed, signal);
  }

  async #flushNow(signal: AbortSignal | undefined): Promise<void> {
    await Promise.all(this.#clears);
    await this.#writeback?.flush(signal);
    await this.#backing?.flush();
    const fault = this.#clearFault;
    this.#clearFault = null;
    if (fault !== null) throw fault.error;
  }
}
