import { show, ZbudError } from "../base/index.ts";
import { type Table, W_GIVES_BACK, W_POOL_NUMBER } from "./table-header.ts";

/**
 * How a handle names an object.
 *
 *    bit  52                       6 + slotBits            6          0
 *         ┌──────────────────────────┬─────────────────────┬──────────┐
 *         │ generation of the slot   │ slot                │ pool tag │
 *         └──────────────────────────┴─────────────────────┴──────────┘
 *
 *   slotBits = ⌈log2(slots)⌉ ≤ 25, generationBits = min(31, 47 - slotBits) ≥ 22, or what the allocator has room for.
 *
 * What a slot is, the allocator says (zbud: page * 2 + buddy). The generation counts how often the slot was
 * freed. It comes round after 2^generationBits reuses of one slot: 2^25 (33 million) of 2^22 slots, which are
 * 8 GiB of 4 KiB pages for zbud; 2^31 up to 2^16 slots.
 *
 * The tag is 1…63, dealt out in turn, so a handle is never 0. The first 63 pools of a thread start with
 * generation 0; the next 63 have the same tags and start 2^(generationBits - 8) later, and so on for 256
 * rounds. So none of 16,128 pools mistakes another's handle, as long as no slot is reused 2^14 times
 * (2^23 times up to 2^16 slots).
 *
 * Small generations give handles below 2^31, which the engine keeps without a heap number.
 */
export interface HandleLayout {
  readonly tag: number;
  /** The slot is `(handle >>> TAG_BITS) & slotMask`. */
  readonly slotMask: number;
  /** What one generation adds: `2^(TAG_BITS + slotBits)`. */
  readonly generationStep: number;
  readonly generationMask: number;
  /** What a slot starts with. */
  readonly firstGeneration: number;
}

export const TAG_BITS = 6;
/** The most slots of a pool. */
export const SLOTS_MAX: number = 2 ** 25;
const TAGS = 2 ** TAG_BITS - 1;
const HANDLE_BITS = 53;
const GENERATION_BITS_MAX = 31;
/** Rounds of tags, as bits of the generation. */
const ROUND_BITS = 8;

let poolsMade = 0;

/** The last of making a table, when nothing can fail any more: its number, and whether its pool gives back by itself. */
export function beginTable(table: Table, givesBack: boolean): void {
  table[W_GIVES_BACK] = givesBack ? 1 : 0;
  table[W_POOL_NUMBER] = nextPoolNumber();
}

function nextPoolNumber(): number {
  return poolsMade++;
}

/**
 * @param slots - how many the pool has, at least 2 and at most {@link SLOTS_MAX}.
 * @param maxGenerationBits - what a slot's word has room for; at most 31.
 */
export function handleLayoutOf(
  slots: number,
  poolNumber: number,
  maxGenerationBits: number = GENERATION_BITS_MAX,
): HandleLayout {
  const slotBits = 32 - Math.clz32(slots - 1);
  const generationBits = Math.min(maxGenerationBits, HANDLE_BITS - TAG_BITS - slotBits);
  const round = Math.floor(poolNumber / TAGS) % 2 ** ROUND_BITS;
  return {
    tag: (poolNumber % TAGS) + 1,
    slotMask: 2 ** slotBits - 1,
    generationStep: 2 ** (TAG_BITS + slotBits),
    generationMask: 2 ** generationBits - 1,
    firstGeneration: round * 2 ** (generationBits - ROUND_BITS),
  };
}

/** Says why a handle names nothing here. The caller knows that it does not. */
export function badHandle(layout: HandleLayout, handle: unknown): ZbudError {
  const what = `no object of this pool has the handle ${show(handle)}`;
  if (typeof handle !== "number" || !Number.isSafeInteger(handle) || handle <= 0) {
    return new ZbudError("EBADF", `${what}; pass on what alloc returned, unchanged`);
  }
  if (handle % 2 ** TAG_BITS !== layout.tag) {
    return new ZbudError("EBADF", `${what}; it was issued by another pool, or by none`);
  }
  return new ZbudError(
    "EBADF",
    `${what}; it was freed, or never issued: drop your copy when you free an object`,
  );
}
