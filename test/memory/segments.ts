/** Segments with a table of threads and some pages, as tests of this process and of others open them. */

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { REGISTRY_WORDS, ThreadRegistry } from "../../src/base/index.ts";
import { createPageMemory, type PageMemory, Segment } from "../../src/memory/index.ts";

export interface SegmentOptions {
  name: unknown;
  kind?: string;
  layout?: string;
  agreement?: Record<string, string | number | boolean | null>;
  whenDifferent?: "reject" | "replace";
  /** Bytes of a page, and how many pages there are. */
  pageSize?: number;
  pages?: number;
}

/** A segment that is open, and this thread's place in it: 0 if there was none. */
export interface OpenSegment {
  segment: Segment;
  isNew: boolean;
  registry: ThreadRegistry;
  member: number;
  words: Int32Array;
  memory: PageMemory;
}

interface Content {
  table: SharedArrayBuffer;
  pages: SharedArrayBuffer;
}

const TABLE_BYTES = 2 ** 14;

export function openSegment({ pageSize = 4096, pages = 16, ...given }: SegmentOptions): OpenSegment {
  const wish = { kind: "test", layout: "test 1", agreement: {}, whenDifferent: "reject" as const, ...given };
  const { made, segment, isNew } = Segment.open<Content>(
    wish,
    (memory) => {
      const content = { table: memory.lockable(TABLE_BYTES), pages: memory.pages(pageSize * pages) };
      return { made: content, shared: content, threads: [new Int32Array(content.table), 0] };
    },
    (shared) => shared as Content,
  );
  return { segment, isNew, ...enter(segment, made, pageSize) };
}

/** The same of what another thread sent. */
export function adoptSegment(sent: Parameters<typeof Segment.adopt>[0], pageSize = 4096): OpenSegment {
  const segment = Segment.adopt(sent);
  return { segment, isNew: false, ...enter(segment, segment.shared() as Content, pageSize) };
}

function enter(
  segment: Segment,
  { table, pages }: Content,
  pageSize: number,
): Omit<OpenSegment, "segment" | "isNew"> {
  const words = new Int32Array(table, 0, TABLE_BYTES / 4);
  const registry = new ThreadRegistry(words, 0);
  const memory = createPageMemory(pageSize, 1, { ...segment, pages: () => pages } as never);
  return { registry, member: registry.enter(), words, memory };
}

/** A word that is no part of the table of threads. */
export const FREE_WORD: number = REGISTRY_WORDS;

/** A folder in shared memory, to be disposed of. */
export class SharedFolder {
  readonly path: string = mkdtempSync("/dev/shm/zbud-test-");

  file(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
