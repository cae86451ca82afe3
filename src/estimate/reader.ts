import { countText } from "../base/index.ts";
import type { SampleBatch } from "./batch.ts";
import type { Progress } from "./progress.ts";
import type { InputSummary } from "./types.ts";

/** Gives a sample of an input, batch by batch. */
export interface Reader {
  /** The memory for one batch. */
  readonly batch: SampleBatch;
  /** How many batches there will be; 0 if nobody knows. */
  readonly batches: number;
  /** Fills {@link batch} anew; false when there is nothing left. */
  fill(progress: Progress): Promise<boolean>;
  /** To be asked after the last batch. */
  summary(): InputSummary;
  close(): void;
}

/** `3 files`; nothing for 0. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return count === 0 ? "" : `${countText(count)} ${count === 1 ? one : many}`;
}
