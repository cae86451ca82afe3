import type {
  Backing,
  BackingKey,
  BackingStats,
  ReadOptions,
  StoredEntry,
  WriteOutcome,
} from "../../src/backing/index.ts";
import { ZbudError } from "../../src/base/index.ts";

/** A backing store that works, fails, or was closed, as a test says. */
export class FailingBacking implements Backing {
  mode: "ok" | "fails" | "closed" = "ok";
  /** Whether it ever did not work: it may have lost anything since. */
  everFailed = false;
  readonly name = "failing";
  readonly isSync = false;
  readonly maxRecordBytes: number;
  readonly #inner: Backing;

  constructor(inner: Backing) {
    this.#inner = inner;
    this.maxRecordBytes = inner.maxRecordBytes;
  }

  async write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    const fault = this.#fault();
    return fault === null ? await this.#inner.write(records) : records.map(() => fault);
  }

  writeSync(): WriteOutcome {
    throw new ZbudError("ENOTSUP", "not here");
  }

  async read(key: BackingKey, options?: ReadOptions): Promise<StoredEntry | null> {
    this.#check();
    return await this.#inner.read(key, options);
  }

  readSync(): null {
    throw new ZbudError("ENOTSUP", "not here");
  }

  has(key: BackingKey): boolean | "unknown" {
    this.#check();
    return this.#inner.has(key);
  }

  delete(key: BackingKey): void {
    this.#check();
    this.#inner.delete(key);
  }

  async clear(): Promise<void> {
    this.#check();
    await this.#inner.clear();
  }

  async flush(): Promise<void> {
    this.#check();
    await this.#inner.flush();
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  stats(): BackingStats {
    return this.#inner.stats();
  }

  #fault(): ZbudError | null {
    if (this.mode === "ok") return null;
    this.everFailed = true;
    return this.mode === "closed"
      ? new ZbudError("ECLOSED", "the backing store was closed")
      : new ZbudError("EIO", "the backing store fails");
  }

  #check(): void {
    const fault = this.#fault();
    if (fault !== null) throw fault;
  }
}
