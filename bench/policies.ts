/**
 * Eviction policies as their papers have them, on keys that are numbers from 0 on: nothing is stored. Each key has
 * one size; a bound by count is one by bytes with sizes of 1.
 */
export interface Policy {
  /** Uses a key: true if it was there. If not, it is there afterwards, unless the policy lets it in not at all. */
  use(key: number): boolean;
}

/** Makes a policy for keys of these sizes that holds at most `capacity` of them. */
export type MakePolicy = (sizes: Uint32Array, capacity: number) => Policy;

/** Policies by name; the first is what the others are compared with. */
export const POLICIES: readonly [string, MakePolicy][] = [
  ["LRU", (sizes, capacity) => new Lru(sizes, capacity)],
  ["SIEVE", (sizes, capacity) => new Sieve(sizes, capacity)],
  ["S3-FIFO", (sizes, capacity) => new S3Fifo(sizes, capacity)],
  ["2Q", (sizes, capacity) => new TwoQueues(sizes, capacity)],
  ["W-TinyLFU", (sizes, capacity) => new WindowTinyLfu(sizes, capacity)],
];

/** Keys in a row, each at most once. */
class Queue {
  /** Sum of the sizes of the keys in it. */
  filled = 0;
  readonly #sizes: Uint32Array;
  readonly #next: Int32Array;
  readonly #prev: Int32Array;
  readonly #head: number;

  constructor(sizes: Uint32Array) {
    this.#sizes = sizes;
    this.#head = sizes.length;
    this.#next = new Int32Array(sizes.length + 1).fill(-1);
    this.#prev = new Int32Array(sizes.length + 1).fill(-1);
    this.#next[this.#head] = this.#head;
    this.#prev[this.#head] = this.#head;
  }

  has(key: number): boolean {
    return this.#next[key] !== -1;
  }

  addFirst(key: number): void {
    const next = this.#next[this.#head];
    this.#next[key] = next;
    this.#prev[key] = this.#head;
    this.#prev[next] = key;
    this.#next[this.#head] = key;
    this.filled += this.#sizes[key];
  }

  remove(key: number): void {
    this.#next[this.#prev[key]] = this.#next[key];
    this.#prev[this.#next[key]] = this.#prev[key];
    this.#next[key] = -1;
    this.filled -= this.#sizes[key];
  }

  /** The key that is there for longest, or -1. */
  last(): number {
    return this.before(this.#head);
  }

  /** The key that came next after this one, or -1. */
  before(key: number): number {
    const prev = this.#prev[key];
    return prev === this.#head ? -1 : prev;
  }
}

/** The least recently used goes. */
class Lru implements Policy {
  readonly #sizes: Uint32Array;
  readonly #capacity: number;
  readonly #queue: Queue;

  constructor(sizes: Uint32Array, capacity: number) {
    this.#sizes = sizes;
    this.#capacity = capacity;
    this.#queue = new Queue(sizes);
  }

  use(key: number): boolean {
    const queue = this.#queue;
    if (queue.has(key)) {
      queue.remove(key);
      queue.addFirst(key);
      return true;
    }
    if (this.#sizes[key] > this.#capacity) return false;
    while (queue.filled + this.#sizes[key] > this.#capacity) queue.remove(queue.last());
    queue.addFirst(key);
    return false;
  }
}

/**
 * SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi, NSDI 2024): in the order of arrival; a hand goes from the oldest to
 * the newest and round, spares what was used since it last came by, and takes the first that was not.
 */
class Sieve implements Policy {
  readonly #sizes: Uint32Array;
  readonly #capacity: number;
  readonly #queue: Queue;
  readonly #visited: Uint8Array;
  #hand = -1;

  constructor(sizes: Uint32Array, capacity: number) {
    this.#sizes = sizes;
    this.#capacity = capacity;
    this.#queue = new Queue(sizes);
    this.#visited = new Uint8Array(sizes.length);
  }

  use(key: number): boolean {
    if (this.#queue.has(key)) {
      this.#visited[key] = 1;
      return true;
    }
    if (this.#sizes[key] > this.#capacity) return false;
    while (this.#queue.filled + this.#sizes[key] > this.#capacity) this.#evict();
    this.#queue.addFirst(key);
    return false;
  }

  #evict(): void {
    let key = this.#hand === -1 ? this.#queue.last() : this.#hand;
    while (this.#visited[key] === 1) {
      this.#visited[key] = 0;
      key = this.#queue.before(key);
      if (key === -1) key = this.#queue.last();
    }
    this.#hand = this.#queue.before(key);
    this.#queue.remove(key);
  }
}

/**
 * S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi, SOSP 2023): a tenth for what is new, the rest for what was used twice
 * there or is remembered as evicted; keys remembered are as much as the rest.
 */
class S3Fifo implements Policy {
  readonly #sizes: Uint32Array;
  readonly #capacity: number;
  readonly #small: Queue;
  readonly #main: Queue;
  readonly #ghost: Queue;
  readonly #uses: Uint8Array;

  constructor(sizes: Uint32Array, capacity: number) {
    this.#sizes = sizes;
    this.#capacity = capacity;
    this.#small = new Queue(sizes);
    this.#main = new Queue(sizes);
    this.#ghost = new Queue(sizes);
    this.#uses = new Uint8Array(sizes.length);
  }

  use(key: number): boolean {
    if (this.#small.has(key) || this.#main.has(key)) {
      this.#uses[key] = Math.min(3, this.#uses[key] + 1);
      return true;
    }
    if (this.#sizes[key] > this.#capacity) return false;
    while (this.#small.filled + this.#main.filled + this.#sizes[key] > this.#capacity) this.#evict();
    this.#uses[key] = 0;
    if (this.#ghost.has(key)) {
      this.#ghost.remove(key);
      this.#main.addFirst(key);
    } else {
      this.#small.addFirst(key);
    }
    return false;
  }

  #evict(): void {
    const isSmallFull = this.#small.filled > this.#capacity / 10;
    if (!(isSmallFull || this.#main.last() === -1)) {
      this.#evictMain();
      return;
    }
    const key = this.#small.last();
    this.#small.remove(key);
    if (this.#uses[key] > 1) {
      this.#uses[key] = 0;
      this.#main.addFirst(key);
      return;
    }
    this.#ghost.addFirst(key);
    while (this.#ghost.filled > this.#capacity * 0.9) this.#ghost.remove(this.#ghost.last());
  }

  #evictMain(): void {
    let key = this.#main.last();
    while (this.#uses[key] > 0) {
      this.#uses[key]--;
      this.#main.remove(key);
      this.#main.addFirst(key);
      key = this.#main.last();
    }
    this.#main.remove(key);
  }
}

/**
 * 2Q (Johnson, Shasha, VLDB 1994): a quarter for what is new, in the order of arrival; what comes back while its
 * key is remembered, half as many as there is room for, is kept in an LRU.
 */
class TwoQueues implements Policy {
  readonly #sizes: Uint32Array;
  readonly #capacity: number;
  readonly #fresh: Queue;
  readonly #kept: Queue;
  readonly #ghost: Queue;

  constructor(sizes: Uint32Array, capacity: number) {
    this.#sizes = sizes;
    this.#capacity = capacity;
    this.#fresh = new Queue(sizes);
    this.#kept = new Queue(sizes);
    this.#ghost = new Queue(sizes);
  }

  use(key: number): boolean {
    if (this.#fresh.has(key)) return true;
    if (this.#kept.has(key)) {
      this.#kept.remove(key);
      this.#kept.addFirst(key);
      return true;
    }
    if (this.#sizes[key] > this.#capacity) return false;
    const isRemembered = this.#ghost.has(key);
    if (isRemembered) this.#ghost.remove(key);
    while (this.#fresh.filled + this.#kept.filled + this.#sizes[key] > this.#capacity) this.#evict();
    (isRemembered ? this.#kept : this.#fresh).addFirst(key);
    return false;
  }

  #evict(): void {
    if (this.#fresh.filled <= this.#capacity / 4 && this.#kept.last() !== -1) {
      this.#kept.remove(this.#kept.last());
      return;
    }
    const key = this.#fresh.last();
    this.#fresh.remove(key);
    this.#ghost.addFirst(key);
    while (this.#ghost.filled > this.#capacity / 2) this.#ghost.remove(this.#ghost.last());
  }
}

/**
 * W-TinyLFU (Einziger, Friedman, Manes, 2017): an LRU of 1 % in front of a segmented LRU, which a key enters if
 * it was used more often than what would go for it. Uses are counted exactly, to 15, and halved after ten times
 * as many as there are keys in it; a real one estimates them.
 */
class WindowTinyLfu implements Policy {
  readonly #sizes: Uint32Array;
  readonly #capacity: number;
  readonly #window: Queue;
  readonly #probation: Queue;
  readonly #guarded: Queue;
  readonly #uses: Uint8Array;
  readonly #period: number;
  #used = 0;

  constructor(sizes: Uint32Array, capacity: number) {
    this.#sizes = sizes;
    this.#capacity = capacity;
    this.#window = new Queue(sizes);
    this.#probation = new Queue(sizes);
    this.#guarded = new Queue(sizes);
    this.#uses = new Uint8Array(sizes.length);
    const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    this.#period = Math.max(100, Math.round((10 * capacity) / mean));
  }

  use(key: number): boolean {
    this.#uses[key] = Math.min(15, this.#uses[key] + 1);
    if (++this.#used % this.#period === 0) {
      for (let i = 0; i < this.#uses.length; i++) this.#uses[i] >>= 1;
    }
    if (this.#window.has(key)) {
      this.#window.remove(key);
      this.#window.addFirst(key);
      return true;
    }
    if (this.#guarded.has(key) || this.#probation.has(key)) {
      this.#promote(key);
      return true;
    }
    if (this.#sizes[key] > this.#capacity) return false;
    this.#window.addFirst(key);
    const windowMax = Math.max(this.#sizes[key], Math.ceil(this.#capacity / 100));
    while (this.#window.filled > windowMax) this.#admit(this.#window.last());
    while (this.#filled > this.#capacity) this.#evict();
    return false;
  }

  get #filled(): number {
    return this.#window.filled + this.#probation.filled + this.#guarded.filled;
  }

  #promote(key: number): void {
    (this.#guarded.has(key) ? this.#guarded : this.#probation).remove(key);
    this.#guarded.addFirst(key);
    while (this.#guarded.filled > this.#capacity * 0.8) {
      const back = this.#guarded.last();
      this.#guarded.remove(back);
      this.#probation.addFirst(back);
    }
  }

  /** Takes a key from the window to the main part, in the place of keys that were used less, or drops it. */
  #admit(key: number): void {
    this.#window.remove(key);
    while (this.#filled + this.#sizes[key] > this.#capacity) {
      const victim = this.#victim();
      if (victim === -1 || this.#uses[key] <= this.#uses[victim]) return;
      this.#drop(victim);
    }
    this.#probation.addFirst(key);
  }

  #victim(): number {
    const key = this.#probation.last();
    return key === -1 ? this.#guarded.last() : key;
  }

  #drop(key: number): void {
    (this.#probation.has(key) ? this.#probation : this.#guarded).remove(key);
  }

  #evict(): void {
    const victim = this.#victim();
    if (victim === -1) this.#window.remove(this.#window.last());
    else this.#drop(victim);
  }
}
