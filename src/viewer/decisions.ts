import { builtin, bytesText } from "../base/index.ts";
import { MEMORY_CHANNEL, type MemoryDecision } from "../engine/index.ts";
import type { ShownDecision } from "./types.ts";

/** How many are shown: the last. */
const SHOWN_MAX = 20;

const WHY: Record<MemoryDecision["reason"], string> = {
  short: "memory is short",
  pressure: "others wait for memory",
  room: "there is room",
};

/** What the caches of this process that follow the machine decided, heard on their channel while somebody watches. */
export class Decisions {
  readonly #now: () => number;
  readonly #heard: ShownDecision[] = [];
  readonly #hear = (message: unknown): void => this.#note(message as MemoryDecision);

  /** @param now - milliseconds, as a tick's. */
  constructor(now: () => number) {
    this.#now = now;
  }

  begin(): void {
    diagnosticsChannel()?.subscribe(MEMORY_CHANNEL, this.#hear);
  }

  end(): void {
    diagnosticsChannel()?.unsubscribe(MEMORY_CHANNEL, this.#hear);
  }

  /** The oldest first. */
  shown(): readonly ShownDecision[] {
    return this.#heard;
  }

  #note({ from, to, reason, availableBytes, bytesFreed }: MemoryDecision): void {
    const freed = bytesFreed > 0 ? `; ${bytesText(bytesFreed)} went back to the system` : "";
    const text = `limit ${bytesText(from)} → ${bytesText(to)}: ${WHY[reason]}, ${bytesText(availableBytes)} available${freed}`;
    if (this.#heard.push({ at: this.#now(), text }) > SHOWN_MAX) this.#heard.shift();
  }
}

function diagnosticsChannel(): typeof import("node:diagnostics_channel") | undefined {
  return builtin<typeof import("node:diagnostics_channel")>("node:diagnostics_channel");
}
