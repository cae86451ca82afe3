import {
  type CoherentBacking,
  type CoherentStore,
  MemoryBacking,
  type WriteOutcome,
} from "../../src/backing/index.ts";
import { CoherentTier } from "../../src/cache/coherent-tier.ts";
import { steadyMs } from "../../src/cache/hearing.ts";
import { FailingBacking } from "./failing-backing.ts";

/** A store that several machines share, as far as what is set is concerned. */
export class SharedStore extends FailingBacking implements CoherentBacking {
  /** Lengths of the values that were set, and what becomes of the next ones. */
  readonly lengths: number[] = [];
  outcome: Promise<WriteOutcome> = Promise.resolve("ok");
  readonly coherence: CoherentBacking["coherence"] = { tier: CoherentTier, join: () => this.#store };
  readonly #store: CoherentStore;

  /** @param ttlMs - as {@link CoherentStore.ttlMs}; without, all is told that others change. */
  constructor(ttlMs = 0) {
    super(new MemoryBacking());
    this.#store = {
      graceMs: 0,
      heartbeatMs: 2 ** 30,
      timeoutMs: 1000,
      ttlMs,
      isOneServer: true,
      versionOf: () => 1,
      listen: (listener) => {
        listener.began();
        listener.alive(steadyMs());
        return () => undefined;
      },
      read: async () => null,
      head: async () => null,
      put: ({ length }) => {
        this.lengths.push(length);
        return this.outcome;
      },
      isChanging: () => false,
      deleteTag: () => undefined,
      lock: async () => null,
      close: () => undefined,
    };
  }
}
