import type {
  Backing,
  BackingKey,
  BackingStats,
  ReadOptions,
  StoredEntry,
  WriteOutcome,
} from "../../src/backing/index.ts";
import { ZbudError } from "../../src/base/index.ts";
import type { Fault, FaultPlan } from "./faults.ts";
import { keyIn } from "./records.ts";

/** How long something "never answers" before it is an ETIMEDOUT, as a backing store has it. */
const NEVER_MS = 30;

/**
 * Any backing store with faults as its contract allows them: a write that fails leaves no record, a read
 * that fails throws, a damaged record is gone. For tests of what stands on backing stores.
 */
export class FaultyBacking implements Backing {
  readonly name = "faulty";
  readonly #inner: Backing;
  readonly #plan: FaultPlan;

  constructor(inner: Backing, plan: FaultPlan) {
    this.#inner = inner;
    this.#plan = plan;
  }

  get isSync(): boolean {
    return this.#inner.isSync;
  }

  get maxRecordBytes(): number {
    return this.#inner.maxRecordBytes;
  }

  async write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    const faults = records.map(() => this.#plan.draw());
    // Calls on a key take effect in their order, so those that fail take part in it.
    const outcomes = records.map((record, index): WriteOutcome | Promise<WriteOutcome[]> => {
      const error = errorOf(faults[index]);
      if (error === null) return this.#inner.write([record]);
      this.#inner.delete(keyIn(record));
      return error;
    });
    if (faults.includes("late")) await this.#plan.wait("late");
    if (faults.includes("never")) await new Promise((resolve) => setTimeout(resolve, NEVER_MS));
    return (await Promise.all(outcomes)).flat();
  }

  writeSync(record: StoredEntry): WriteOutcome {
    const error = errorOf(this.#plan.draw());
    if (error === null) return this.#inner.writeSync(record);
    this.#inner.delete(keyIn(record));
    return error;
  }

  async read(key: BackingKey, options?: ReadOptions): Promise<StoredEntry | null> {
    const fault = this.#plan.draw();
    if (fault === "late") await this.#plan.wait(fault);
    if (fault === "never") await new Promise((resolve) => setTimeout(resolve, NEVER_MS));
    this.#spoil(key, fault);
    return await this.#inner.read(key, options);
  }

  readSync(key: BackingKey): StoredEntry | null {
    this.#spoil(key, this.#plan.draw());
    return this.#inner.readSync(key);
  }

  has(key: BackingKey): boolean | "unknown" {
    return this.#inner.has(key);
  }

  delete(key: BackingKey): void {
    this.#inner.delete(key);
  }

  clear(): Promise<void> {
    return this.#inner.clear();
  }

  async flush(): Promise<void> {
    const error = errorOf(this.#plan.draw());
    if (error !== null) throw error;
    await this.#inner.flush();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  stats(): BackingStats {
    return this.#inner.stats();
  }

  #spoil(key: BackingKey, fault: Fault | null): void {
    if (fault === "corrupt") {
      this.#inner.delete(key);
      throw new ZbudError("EBADMSG", "the record is damaged, and was given up: made by a test");
    }
    const error = errorOf(fault);
    if (error !== null) throw error.code === "ENOSPC" ? new ZbudError("EIO", "made by a test") : error;
  }
}

function errorOf(fault: Fault | null): ZbudError | null {
  switch (fault) {
    case "ENOSPC":
      return new ZbudError("ENOSPC", "made by a test");
    case "EIO":
    case "short":
      return new ZbudError("EIO", "made by a test");
    case "never":
      return new ZbudError("ETIMEDOUT", "made by a test");
    default:
      return null;
  }
}
