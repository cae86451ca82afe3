import type {
  Backing,
  BackingKey,
  BackingStats,
  FileBacking,
  ReadOptions,
  StoredEntry,
  WriteOutcome,
} from "../../src/backing/index.ts";

/**
 * Two that share one file, as one: each call goes to the other one than the call before. What each has mapped lies
 * elsewhere, and they know of each other by the file only, as two processes do.
 */
export class SharedPair implements Backing {
  readonly name = "file";
  readonly isSync = true;
  readonly id: string;
  readonly maxRecordBytes: number;
  readonly #both: readonly [FileBacking, FileBacking];
  #calls = 0;

  constructor(one: FileBacking, other: FileBacking) {
    this.#both = [one, other];
    this.id = one.id;
    this.maxRecordBytes = one.maxRecordBytes;
  }

  get #next(): FileBacking {
    return this.#both[this.#calls++ % 2];
  }

  write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    return this.#next.write(records);
  }

  writeSync(record: StoredEntry): WriteOutcome {
    return this.#next.writeSync(record);
  }

  read(key: BackingKey, options?: ReadOptions): Promise<StoredEntry | null> {
    return this.#next.read(key, options);
  }

  readSync(key: BackingKey): StoredEntry | null {
    return this.#next.readSync(key);
  }

  has(key: BackingKey): boolean {
    return this.#next.has(key);
  }

  delete(key: BackingKey): void {
    this.#next.delete(key);
  }

  clear(): Promise<void> {
    return this.#next.clear();
  }

  /** A flush is about what its own side wrote before. */
  async flush(): Promise<void> {
    for (const each of this.#both) await each.flush();
  }

  async close(): Promise<void> {
    for (const each of this.#both) await each.close();
  }

  stats(): BackingStats {
    const [one, other] = this.#both.map((each) => each.stats());
    return { ...one, bytesInFlight: one.bytesInFlight + other.bytesInFlight };
  }

  /** For diagnostics. */
  inside(): ReturnType<FileBacking["inside"]> {
    return this.#next.inside();
  }
}
