import {
  checkThreadId,
  type Handle,
  isSharedBuffer,
  lockableBufferOf,
  memoryBehind,
  notShared,
  show,
  ThreadRegistry,
  ZbudError,
} from "../base/index.ts";
import { type SharedMemory, threadsMemory } from "../memory/index.ts";
import {
  checkDriver,
  driverNamed,
  hasDriver,
  LAYOUT_VERSION as POOL_LAYOUT_VERSION,
  type PoolDriver,
} from "../pool/index.ts";
import { emptyRecord } from "../record/index.ts";
import { setLimit } from "./budget.ts";
import type { MigrationOf } from "./migration.ts";
import { driversOf, type EngineShape, poolOptions, shapeOf } from "./options.ts";
import type { Hooks } from "./parts.ts";
import { Shard } from "./shard.ts";
import { ShardPool } from "./shard-pool.ts";
import {
  headerWords,
  LAYOUT_VERSION,
  MAGIC,
  registryAt,
  rowArraysOf,
  type ShardLayout,
  THREADS_MAX,
  W_BUCKETS,
  W_LAYOUT_VERSION,
  W_MAGIC,
  W_POOL,
  W_ROWS_MAX,
} from "./table.ts";
import type { EngineHooks, EngineOptions, FoundEntry, SecondaryIndex, SharedEngine } from "./types.ts";
import { forgetWriting } from "./writeback-marks.ts";

/** The buffers and shards of an engine, as one thread has them. */
export interface OpenEngine {
  readonly shape: EngineShape;
  readonly shards: readonly Shard[];
  readonly hooks: Hooks;
  readonly found: FoundEntry;
  /** Of the pools, by their numbers. */
  readonly drivers: readonly PoolDriver[];
  readonly header: Int32Array;
  /** Of this thread; see {@link ThreadRegistry}. */
  readonly member: number;
  /** Whether this thread only looks; see {@link lookingOnly}. */
  readonly looks: boolean;
  /** Whether the thread of a member is certainly gone. */
  isGone(member: number): boolean;
  /** As {@link ThreadRegistry.isFirst}. */
  isFirst(): boolean;
  useDriver(type: string, migrationOf: MigrationOf): void;
  recover(): number;
  threadGone(threadId: number): void;
  close(): void;
}

/** Versions of all that lies in an engine's memory: who has others cannot open it. */
export const ENGINE_LAYOUT: string = `engine ${LAYOUT_VERSION} pool ${POOL_LAYOUT_VERSION}`;

/**
 * Makes the buffers of an engine, or opens those that another thread made.
 *
 * @param options - of a new engine; of an attached one only the hooks count.
 */
export function openEngine(options: EngineHooks & Partial<EngineOptions>, from?: SharedEngine): OpenEngine {
  if (from !== undefined) checkShared(from);
  const drivers =
    from === undefined
      ? driversOf(options as EngineOptions)
      : driversFor(from.shape as EngineShape, options.drivers ?? []);
  const shape = from === undefined ? shapeOf(options as EngineOptions, drivers) : (from.shape as EngineShape);
  const memory = shape.shared ? (options.memory ?? threadsMemory) : null;
  const header = headerOf(shape, from, memory);
  const registry = shape.shared ? new ThreadRegistry(header, registryAt(shape.shards)) : null;
  const member = registry?.enter() ?? 1;
  if (member === 0) {
    throw new ZbudError(
      "EBUSY",
      `${THREADS_MAX} threads use this already, where a thread that opened it several times counts each time; close it where it is not needed, or call threadGone(threadId) for each thread of this process that has ended`,
    );
  }
  const hooks: Hooks = {
    onEvict: options.onEvict ?? null,
    hasCopy: options.hasCopy ?? null,
    evictsWriting: options.evictsWriting ?? false,
    onEvicted: options.onEvicted ?? null,
    onRemoved: options.onRemoved ?? null,
    onChange: options.onChange ?? null,
    onOutdated: options.onOutdated ?? null,
    secondaryIndex: options.secondaryIndex ?? null,
  };
  const victim = emptyEntry();
  const opened = new Opened(shape, drivers, hooks, header, registry, member);
  try {
    for (let number = 0; number < shape.shards; number++) {
      const table = from?.tables[number] ?? tableOf(shape.layout, options.secondaryIndex, memory);
      // A view that does not say how long it is follows a growable buffer, and is slow.
      const words = new Int32Array(table, 0, Math.floor(table.byteLength / 4));
      if (from === undefined) format(words, shape);
      else checkTable(words, shape);
      const shard = new Shard({
        number,
        words,
        layout: shape.layout,
        budget: shape.budget,
        evict: shape.evict,
        hooks,
        victim,
        registry,
        member,
        header,
      });
      if (from === undefined) {
        shard.rows.format();
        setLimit(shape.budget, shard.floats, shape.budget.bytes);
      }
      opened.shards.push(shard);
      for (const [i, driver] of drivers.entries()) {
        shard.pools.list.push(openPool(shard, shape, driver, i, memory, from?.pools[number][i]));
      }
    }
    if (registry?.inherits === true) opened.recover();
  } catch (cause) {
    opened.close();
    // A file says what it lacks.
    const isFile = memory !== null && memory !== threadsMemory;
    if (from !== undefined || isFile || !(cause instanceof ZbudError) || cause.code !== "ENOMEM") throw cause;
    throw new ZbudError("ENOMEM", `the system does not give ${shape.maxBytes} bytes; lower maxBytes`, {
      cause,
    });
  }
  return opened;
}

/** An entry's record with nothing in it. */
export function emptyEntry(): FoundEntry {
  return { ...emptyRecord(), shard: 0, row: 0, version: 0, clean: false };
}

/** What other threads need. */
export function sharedOf(open: OpenEngine): SharedEngine {
  if (!open.shape.shared) {
    throw new ZbudError("EINVAL", "this store is for one thread; make it with shared: true to share it");
  }
  const header = open.header.buffer as SharedArrayBuffer;
  const memory = memoryBehind(header);
  return {
    engine: LAYOUT_VERSION,
    header,
    ...(memory === undefined ? {} : { memory }),
    tables: open.shards.map(({ words }) => words.buffer as SharedArrayBuffer),
    pools: open.shards.map(({ pools }) => pools.list.map(({ pool }) => pool.share())),
    shape: open.shape,
  };
}

class Opened implements OpenEngine {
  readonly shape: EngineShape;
  readonly shards: Shard[] = [];
  readonly hooks: Hooks;
  readonly found: FoundEntry = emptyEntry();
  readonly drivers: readonly PoolDriver[];
  readonly header: Int32Array;
  readonly member: number;
  readonly #registry: ThreadRegistry | null;

  constructor(
    shape: EngineShape,
    drivers: readonly PoolDriver[],
    hooks: Hooks,
    header: Int32Array,
    registry: ThreadRegistry | null,
    member: number,
  ) {
    this.shape = shape;
    this.hooks = hooks;
    this.drivers = drivers;
    this.header = header;
    this.#registry = registry;
    this.member = member;
  }

  get looks(): boolean {
    return this.#registry?.looks ?? false;
  }

  isGone(member: number): boolean {
    return this.#registry?.isGone(member) ?? false;
  }

  isFirst(): boolean {
    return this.#registry?.isFirst(this.member) ?? true;
  }

  useDriver(type: string, migrationOf: MigrationOf): void {
    const number = this.drivers.findIndex((driver) => driver.type === type);
    if (number === -1) {
      driverNamed(type); // ENOENT
      throw new ZbudError(
        "EINVAL",
        `no memory was set aside for the driver ${show(type)}; name it when the store is made: drivers: [..., ${show(type)}]`,
      );
    }
    for (const shard of this.shards) shard.usePool(number, migrationOf);
  }

  recover(): number {
    const registry = this.#registry;
    if (registry === null) return 0;
    const gone = registry.taken().filter((member) => member !== this.member && registry.isGone(member));
    if (gone.length === 0 && !registry.inherits) return 0;
    registry.inherits = false;
    for (const shard of this.shards) forgetWriting(shard);
    for (const member of gone) registry.leave(member);
    return gone.length;
  }

  threadGone(threadId: number): void {
    checkThreadId(threadId);
    this.#registry?.tellGone(threadId);
    this.recover();
  }

  close(): void {
    for (const { pools } of this.shards) for (const pool of pools.list) pool.close();
    this.#registry?.leave(this.member);
  }
}

function openPool(
  shard: Shard,
  shape: EngineShape,
  driver: PoolDriver,
  number: number,
  memory: SharedMemory | null,
  shared: unknown,
): ShardPool {
  const onEvict = (handle: Handle): boolean => shard.evictObject(number, handle);
  if (shared !== undefined) return ShardPool.attach(driver, shared, onEvict);
  const options = poolOptions(driver, shape.pools[number], shape.shared);
  return ShardPool.create(driver, options, onEvict, memory);
}

/** What has the locks and the threads; in memory where locks are fast, if the platform has it. */
function headerOf(
  { shards, shared }: EngineShape,
  from: SharedEngine | undefined,
  memory: SharedMemory | null,
): Int32Array {
  const words = headerWords(shards, shared);
  if (from !== undefined) {
    const fast = from.memory === undefined ? undefined : lockableBufferOf(from.memory);
    return new Int32Array(fast ?? from.header, 0, words);
  }
  return new Int32Array(buffer(4 * words, memory, "lockable"), 0, words);
}

function tableOf(
  layout: ShardLayout,
  secondaryIndex: SecondaryIndex | undefined,
  memory: SharedMemory | null,
): ArrayBuffer | SharedArrayBuffer {
  const { rowsAt, secondaryIndexAt, maxRows } = layout;
  const arrays = rowArraysOf(layout, secondaryIndex ?? null).map(([at, bytes]) => [at, at + bytes] as const);
  const indexWords = secondaryIndex?.fixedWords(maxRows + 1) ?? 0;
  const index = [4 * secondaryIndexAt, 4 * (secondaryIndexAt + indexWords)] as const;
  return buffer(4 * layout.words, memory, "buffer", [[0, 4 * rowsAt], ...arrays, index]);
}

function buffer(
  bytes: number,
  memory: SharedMemory | null,
  kind: "buffer" | "lockable",
  touched?: readonly (readonly [number, number])[],
): ArrayBuffer | SharedArrayBuffer {
  try {
    return memory === null ? new ArrayBuffer(bytes) : memory[kind](bytes, touched);
  } catch (cause) {
    if (cause instanceof ZbudError) throw cause;
    throw new ZbudError("ENOMEM", `cannot reserve ${bytes} bytes for the index; lower maxBytes`, { cause });
  }
}

function format(words: Int32Array, { layout }: EngineShape): void {
  words[W_MAGIC] = MAGIC;
  words[W_LAYOUT_VERSION] = LAYOUT_VERSION;
  words[W_ROWS_MAX] = layout.maxRows;
  words[W_BUCKETS] = layout.bucketCount;
  words[W_POOL] = 0;
}

function checkShared(shared: SharedEngine): void {
  const { header, tables, pools, shape } = shared ?? {};
  if (
    !isSharedBuffer(header) ||
    !Array.isArray(tables) ||
    !Array.isArray(pools) ||
    typeof shape !== "object" ||
    shape === null
  ) {
    throw notShared("an engine", shared, header);
  }
  const isWhole = shared.memory === undefined || lockableBufferOf(shared.memory) !== undefined;
  const { drivers, shards } = shape as EngineShape;
  if (shared.engine !== LAYOUT_VERSION || !(header.byteLength >= 4 * headerWords(shards, true)) || !isWhole) {
    throw new ZbudError(
      "EBADMSG",
      "this was shared by another version of zbud; use one version in all threads",
    );
  }
  if (tables.length !== shards || pools.length !== shards || !tables.every(isSharedBuffer)) {
    throw new ZbudError("EBADMSG", `${tables.length} tables for an engine of ${shards} shards`);
  }
  const poolsEach = pools.every((each) => Array.isArray(each) && each.length === drivers.length);
  if (!poolsEach || !tables.every(({ byteLength }) => byteLength % 4 === 0)) {
    throw new ZbudError(
      "EBADMSG",
      "these buffers hold no store or cache; pass on what share() gave, unchanged",
    );
  }
}

/**
 * The drivers of an engine that another thread made, which names them: of those that were given here, else of those
 * that are registered.
 *
 * @throws {ZbudError} `ENOENT` naming one that this thread has not.
 */
function driversFor({ drivers: types }: EngineShape, given: readonly PoolDriver[]): PoolDriver[] {
  if (!Array.isArray(given)) {
    throw new ZbudError("EINVAL", `drivers must be an array of drivers, not ${show(given)}`);
  }
  for (const driver of given) checkDriver(driver);
  return types.map((type) => {
    const driver = given.find((each) => each.type === type);
    if (driver !== undefined) return driver;
    if (hasDriver(type)) return driverNamed(type);
    throw new ZbudError(
      "ENOENT",
      `the driver ${show(type)} is not registered in this thread; give its value to attach(), as the option driver of a cache or drivers of a page store`,
    );
  });
}

function checkTable(words: Int32Array, { layout }: EngineShape): void {
  const isRight =
    words.length === layout.words &&
    words[W_MAGIC] === MAGIC &&
    words[W_LAYOUT_VERSION] === LAYOUT_VERSION &&
    words[W_ROWS_MAX] === layout.maxRows &&
    words[W_BUCKETS] === layout.bucketCount;
  if (!isRight)
    throw new ZbudError(
      "EBADMSG",
      "these buffers hold no store or cache; pass on what share() gave, unchanged",
    );
}
