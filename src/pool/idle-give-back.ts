import { isLockBusy } from "../base/index.ts";

/** Between two looks at how much is free. */
const LOOK_MS = 1000;
/** Looks until it is tried again to give back what could not be. */
const RESTS = 60;
/** Between two turns of giving back: others get the event loop. */
const TURN_MS = 10;
/** The most that one turn takes of the event loop's time. */
const TURN_MS_MAX = 2;
/** What is given back at a time, under a lock. */
const BATCH_BYTES = 2 ** 20;
/** Giving back begins when more than this, and more than this part of what was touched, is free at two looks in a row. */
const BEGIN_BYTES = 2 ** 20;
const BEGIN = 1 / 4;
/** It ends when no more than this part is. */
const END = 1 / 8;

/** Whose free memory is given back when much of it is free for some time. */
export interface IdleMemory {
  /** Bytes of memory that were touched and are not given back. Called once a second: cheap, and without a lock. */
  touchedBytes(): number;
  /** Of them, about those that {@link giveBack} could give back. */
  freeTouchedBytes(): number;
  /** Gives about so many bytes back. How many it were; 0: there is nothing to give now. */
  giveBack(maxBytes: number): number;
}

/** What is known of one memory between two looks. */
interface Watched {
  readonly memory: WeakRef<IdleMemory>;
  /** Whether much was free at the last look. */
  wasHigh: boolean;
  isGiving: boolean;
  /** Free bytes that could not be given back when it was last tried, as they are parts of pages of the machine; */
  stuck: number;
  /** and at how many looks more they are left out of account. */
  rests: number;
}

const watched = new Set<Watched>();
let timer: unknown;
let turn: unknown;

/**
 * Gives free memory back by itself from now on, until {@link stopGivingBack}. One timer for all of a thread, which keeps
 * no process alive; what is watched is held weakly, so whoever calls keeps it.
 */
export function giveBackWhenIdle(memory: IdleMemory): void {
  watched.add({ memory: new WeakRef(memory), wasHigh: false, isGiving: false, stuck: 0, rests: 0 });
  timer ??= keepingNothingAlive(setInterval(look, LOOK_MS));
}

/** Ends what {@link giveBackWhenIdle} began. */
export function stopGivingBack(memory: IdleMemory): void {
  for (const each of watched) if (each.memory.deref() === memory) watched.delete(each);
  stopIfUnused();
}

function keepingNothingAlive(timer: unknown): unknown {
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

function stopIfUnused(): void {
  if (watched.size > 0) return;
  clearInterval(timer as NodeJS.Timeout);
  clearTimeout(turn as NodeJS.Timeout);
  timer = undefined;
}

function look(): void {
  for (const each of watched) {
    if (!each.isGiving) each.isGiving = asked(each, beginsAt);
  }
  stopIfUnused();
  give();
}

/** One turn: gives back in batches, and goes on in the next if its time is over. */
function give(): void {
  clearTimeout(turn as NodeJS.Timeout);
  const end = performance.now() + TURN_MS_MAX;
  let isMore = false;
  for (const each of watched) {
    while (each.isGiving && performance.now() < end) each.isGiving = asked(each, givesMore);
    isMore ||= each.isGiving;
  }
  if (isMore) turn = keepingNothingAlive(setTimeout(give, TURN_MS));
}

/** Asks a memory that is still there. One that is closed, or in disorder, is let go: its users are told. */
function asked(each: Watched, ask: (memory: IdleMemory, each: Watched) => boolean): boolean {
  const memory = each.memory.deref();
  try {
    // It may have been stopped meanwhile.
    if (memory !== undefined) return ask(memory, each) && watched.has(each);
  } catch (error) {
    // A timer has nobody to tell. Who is stopped within a lock goes on some time.
    if (isLockBusy(error)) return false;
  }
  watched.delete(each);
  return false;
}

/** Whether much was free at this look and the last: what is free for a moment is about to be used again. */
function beginsAt(memory: IdleMemory, each: Watched): boolean {
  const free = memory.freeTouchedBytes();
  each.stuck = each.rests-- > 0 ? Math.min(each.stuck, free) : 0;
  const isHigh = free - each.stuck > BEGIN_BYTES && free > BEGIN * memory.touchedBytes();
  const begins = isHigh && each.wasHigh;
  each.wasHigh = isHigh && !begins;
  return begins;
}

function givesMore(memory: IdleMemory, each: Watched): boolean {
  const free = memory.freeTouchedBytes();
  const spare = free - END * memory.touchedBytes();
  if (spare <= 0) return false;
  if (memory.giveBack(Math.min(spare, BATCH_BYTES)) > 0) return true;
  each.stuck = free;
  each.rests = RESTS;
  return false;
}
