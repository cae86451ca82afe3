/**
 * An entry is there as long as `now <= its time`, and the engine takes away what has `time <= now`. This is a
 * step that every clock of milliseconds since 1970 can still tell.
 */
const INSTANT_MS: number = 2 ** -10;

/** The engine's time of an entry that is set, or whose time begins anew, at `now`; 0 is never. */
export function expiresAt(now: number, ttl: number, stale: number): number {
  return ttl === 0 ? 0 : now + ttl + stale + INSTANT_MS;
}

/** Until when an entry is fresh, by the engine's time and its window of staleness. */
export function freshUntil(expiresAt: number, stale: number): number {
  return expiresAt === 0 ? Number.POSITIVE_INFINITY : expiresAt - INSTANT_MS - stale;
}

/*
 * The word `aux` of an entry: what its bytes are (see `ValueKind`), and its time to live, with which its time can
 * begin anew:
 *
 *   bits 0 – 2 kind · 3 – 7 exponent e · 8 – 31 mantissa m: a ttl of m * 2^e ms, 0 if it never expires
 */
const KIND_MASK = 7;
const EXPONENT_SHIFT = 3;
const EXPONENT_MASK = 31;
const MANTISSA_SHIFT = 8;
const MANTISSA_MAX: number = 2 ** 24 - 1;

/** The word of a kind and a ttl, which is rounded up to a whole number of ms, and that to 24 bits. */
export function auxOf(kind: number, ttl: number): number {
  if (ttl <= MANTISSA_MAX) return kind | (Math.ceil(ttl) << MANTISSA_SHIFT);
  let exponent = 1;
  while (Math.ceil(ttl / 2 ** exponent) > MANTISSA_MAX) exponent++;
  return kind | (exponent << EXPONENT_SHIFT) | (Math.ceil(ttl / 2 ** exponent) << MANTISSA_SHIFT);
}

export function kindOf(aux: number): number {
  return aux & KIND_MASK;
}

export function ttlOf(aux: number): number {
  return (aux >>> MANTISSA_SHIFT) * 2 ** ((aux >>> EXPONENT_SHIFT) & EXPONENT_MASK);
}
