import assert from "node:assert/strict";
import { builtin } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import type { Step } from "./cache-history.ts";
import { type CheckedCache, type Handle, KEY_OF, numberOf } from "./checked-cache.ts";
import { Gates } from "./file-gates.ts";
import type { Value } from "./history-values.ts";

/** What a file holds, the least recently used first. */
type Content = { key: number; id: number }[];

interface Saving {
  readonly path: number;
  /** What each key had at any time since it began; 0: nothing. */
  readonly possible: Set<number>[];
  settled: { error?: unknown } | null;
}

interface Loading {
  readonly began: number;
  /** What is to come, in order. */
  readonly pending: Content;
  settled: { error?: unknown } | null;
}

const PATHS = 2;
let folder = "";

/** A folder for files of histories, which goes with the process. */
function folderOf(): string {
  if (folder !== "") return folder;
  const fs = builtin<typeof import("node:fs")>("node:fs") as typeof import("node:fs");
  const os = builtin<typeof import("node:os")>("node:os") as typeof import("node:os");
  folder = fs.mkdtempSync(`${os.tmpdir()}/zbud-history-`);
  globalThis.process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The part of the model that is about `save` and `load`, while other things go on. */
export class CheckedFiles {
  readonly #checked: CheckedCache;
  readonly #gates: Gates;
  /** By path: what the file has, or null where none was saved. */
  readonly #contents: (Content | null)[] = new Array(PATHS).fill(null);
  #saving: Saving[] = [];
  #loading: Loading | null = null;

  constructor(checked: CheckedCache) {
    this.#checked = checked;
    this.#gates = new Gates(folderOf());
    const { model } = checked;
    model.onChange = (key) => {
      for (const { possible } of this.#saving) possible[key].add(model.entries.get(key)?.id ?? 0);
    };
    const fs = builtin<typeof import("node:fs")>("node:fs") as typeof import("node:fs");
    for (let path = 0; path < PATHS; path++) fs.rmSync(this.#pathOf(path), { force: true });
  }

  async step(handle: Handle, { do: action, how }: Step): Promise<void> {
    if (action === "save") await this.#save(handle, how % PATHS, (how >> 4) % 3 === 0);
    else if (action === "load") await this.#load(handle, how % PATHS, (how >> 4) % 3 === 0);
    else if (this.#gates.waiting > 0) {
      await this.#gates.pass(how);
      await this.#advance();
    }
  }

  /** Lets everything go on to its end. */
  async finish(): Promise<void> {
    while (this.#gates.waiting > 0) {
      await this.#gates.pass(0);
      await this.#advance();
    }
    assert.ok(this.#saving.length === 0 && this.#loading === null, "a save or a load does not end");
  }

  async close(): Promise<void> {
    this.#checked.model.onChange = () => {};
    await this.#gates.close();
  }

  #pathOf(path: number): string {
    return `${folderOf()}/file-${path}`;
  }

  async #save(handle: Handle, path: number, whole: boolean): Promise<void> {
    const { model } = this.#checked;
    const possible = KEY_OF.map((_, key) => new Set([model.entries.get(key)?.id ?? 0]));
    const saving: Saving = { path, possible, settled: null };
    this.#saving.push(saving);
    this.#gates.isOpen = whole;
    const promise = handle.cache.save(this.#pathOf(path));
    promise.then(
      () => {
        saving.settled = {};
      },
      (error) => {
        saving.settled = { error };
      },
    );
    if (whole) {
      await promise.catch(() => undefined);
      this.#gates.isOpen = false;
    }
    await this.#gates.quiet();
    await this.#advance();
  }

  async #load(handle: Handle, path: number, whole: boolean): Promise<void> {
    const content = this.#contents[path];
    if (content === null || this.#loading !== null) return;
    const loading: Loading = { began: this.#checked.model.moment, pending: [...content], settled: null };
    this.#loading = loading;
    this.#gates.isOpen = whole;
    const promise = handle.cache.load(this.#pathOf(path));
    promise.then(
      () => {
        loading.settled = {};
      },
      (error) => {
        loading.settled = { error };
      },
    );
    if (whole) {
      await promise.catch(() => undefined);
      this.#gates.isOpen = false;
    }
    await this.#gates.quiet();
    await this.#advance();
  }

  /** What became of what is under way. */
  async #advance(): Promise<void> {
    await this.#checked.settle();
    if (this.#loading !== null) this.#takeLoaded(this.#loading);
    for (const saving of this.#saving) {
      if (saving.settled === null) continue;
      if ("error" in saving.settled) throw saving.settled.error;
      this.#saving = this.#saving.filter((other) => other !== saving);
      await this.#checkSaved(saving);
    }
  }

  /** Finds out which entries of a file came in, and whether they might. */
  #takeLoaded(loading: Loading): void {
    const checked = this.#checked;
    const { model } = checked;
    for (;;) {
      const next = loading.pending[0];
      if (next === undefined) break;
      const { key, id } = next;
      const entry = checked.stored[id];
      const isOver = model.now > entry.thereUntil;
      if (isOver || model.isChangedSince(loading.began, key, entry.tags)) {
        // It must not come in: that nobody saw it come is checked by all that follows.
        loading.pending.shift();
        continue;
      }
      const events = checked.events();
      const gone = events.findIndex(([other]) => other === key);
      const isIn = model.entries.has(key) ? gone >= 0 : gone >= 0 || checked.peek(key) !== undefined;
      if (!isIn) break;
      loading.pending.shift();
      if (model.entries.has(key)) checked.take({ room: true, replaces: key }, gone + 1);
      const size = model.entries.size;
      const max = checked.world.options.maxEntries ?? Number.POSITIVE_INFINITY;
      if (size >= max) checked.take({ room: true }, 1);
      model.insert(key, entry);
      model.change(key);
      model.tier.delete(key);
    }
    checked.take({});
    if (loading.settled === null) return;
    this.#loading = null;
    if ("error" in loading.settled) throw loading.settled.error;
    assert.deepEqual(loading.pending, [], "entries of a file that did not come in");
  }

  /** A save ended: reads what it wrote with a cache of its own. */
  async #checkSaved({ path, possible }: Saving): Promise<void> {
    const checked = this.#checked;
    const { model, values } = checked;
    const order: number[] = [];
    const reader = new CompressedCache<Value>({
      ...checked.options,
      onRemoved: (key) => void order.push(numberOf(key)),
    });
    this.#gates.isOpen = true;
    await reader.load(this.#pathOf(path));
    this.#gates.isOpen = false;
    const content = new Map<number, number>();
    for (const [key, ids] of possible.entries()) {
      const value = reader.peek(KEY_OF[key], { allowStale: true });
      const id = [...ids].find((id) => id > 0 && value !== undefined && values.is(value, id));
      const mayLack = [...ids].some((id) => id === 0 || model.now > checked.stored[id].thereUntil);
      assert.ok(value !== undefined || mayLack, `key ${key} is not in the file`);
      assert.ok(value === undefined || id !== undefined, `key ${key} has another value in the file`);
      if (id !== undefined) content.set(key, id);
    }
    reader.clear();
    reader.close();
    this.#contents[path] = order.map((key) => ({ key, id: content.get(key) as number }));
  }
}
