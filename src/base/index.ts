export { assert } from "./assert.ts";
export { checkBytes } from "./bytes.ts";
export { show, ZbudError, type ZbudErrorCode } from "./errors.ts";
export { ThreadLock } from "./lock.ts";
export { integerOption } from "./options.ts";
export { Prng } from "./prng.ts";
export { PLACES, SEATS_WORDS, Seats } from "./threads.ts";
export type { Branded, Handle } from "./units.ts";
