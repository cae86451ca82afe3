import { PLACES } from "../base/index.ts";

/*
 * The words of `leases.ts` in the memory that the threads of a cache share:
 *
 *   word 0      BROAD and FILES, bits that say whether there is anything in the two lists of members below
 *   word 16…    by place of a thread: its member while it has leases that found no slot
 *   then        by place of a thread: its member while it reads a file
 *   then        by group: 1 while one of its slots is taken
 *   then        the slots, group by group, in four columns: member, k0, k1, and the slot's word
 *   then        the filter: bits of the keys that were changed while a file was being read
 */
const HEADER_WORDS = 16;
/** Slots of a group: what a `set` looks at while something of its group is being loaded. */
export const WAYS = 32;

const SLOTS_MIN = 256;
const SLOTS_MAX = 8192;
const FILTER_BYTES_MIN = 2 ** 11;
const FILTER_BYTES_MAX = 2 ** 18;

/** How many there are of what; plain data. Both are powers of two. */
export interface LeaseShape {
  readonly leaseGroups: number;
  readonly filterBytes: number;
}

/**
 * A slot for each 16 KiB of a cache, and a byte of the filter for each KiB: of the entries of a file, 1 % are wrongly
 * left out when a quarter of the cache was changed meanwhile.
 */
export function leaseShape(maxBytes: number): LeaseShape {
  const slots = between(SLOTS_MIN, maxBytes / 2 ** 14, SLOTS_MAX);
  return {
    leaseGroups: slots / WAYS,
    filterBytes: between(FILTER_BYTES_MIN, maxBytes / 2 ** 10, FILTER_BYTES_MAX),
  };
}

function between(least: number, wanted: number, most: number): number {
  return Math.min(most, Math.max(least, 2 ** Math.floor(Math.log2(wanted))));
}

/** Where the parts begin, counted from the first word. */
export interface LeaseLayout {
  readonly broad: number;
  readonly files: number;
  readonly groups: number;
  readonly members: number;
  readonly k0: number;
  readonly k1: number;
  readonly states: number;
  readonly filter: number;
  readonly end: number;
}

export function leaseLayout({ leaseGroups, filterBytes }: LeaseShape): LeaseLayout {
  const slots = leaseGroups * WAYS;
  const broad = HEADER_WORDS;
  const files = broad + PLACES;
  const groups = files + PLACES;
  const members = groups + Math.ceil(leaseGroups / 16) * 16;
  const k0 = members + slots;
  const k1 = k0 + slots;
  const states = k1 + slots;
  const filter = states + slots;
  return { broad, files, groups, members, k0, k1, states, filter, end: filter + filterBytes / 4 };
}

/** Words of them all. */
export function leaseWords(shape: LeaseShape): number {
  return leaseLayout(shape).end;
}
