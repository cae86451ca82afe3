import type { Backing } from "../../../src/backing/index.ts";

/** How the suite gets stores of one kind. */
export interface BackingKind {
  readonly name: string;
  /** A store that is empty, and is closed by the suite. It takes the time from `clock`. */
  readonly open: (options?: { clock?: () => number }) => Promise<Backing>;
  /** A store of about this many bytes at most; null where the kind has no bound of its own. */
  readonly openSmall: ((maxBytes: number) => Promise<Backing>) | null;
  /** Whether the index is in this process, so that `has` and the counts are exact. */
  readonly isExact: boolean;
  /** Longest record of the random runs. */
  readonly maxLength: number;
  /** Reads of the random runs that find something, at least: of few keys most are being written all the time. Default 20. */
  readonly hitsMin?: number;
}
