import { DICT, DICT_TABLE, PLAIN } from "./layout";
import { hash4 } from "./hash";

/** Entries of DICT_TABLE, as a power of two. */
export const DICT_BITS: u32 = 14;

/** Where the dictionary starts, which is as far back as a match can reach; PLAIN if there is none. */
export let oldest: u32 = PLAIN;

/** Takes the `bytes` in front of PLAIN as the history of all later calls, in both directions. */
export function setDictionary(bytes: u32): void {
  oldest = PLAIN - bytes;
  memory.fill(DICT_TABLE, 0, 2 << DICT_BITS);
  for (let p = oldest; p + 4 <= PLAIN; p++) {
    store<u16>(DICT_TABLE + (hash4(load<u32>(p), DICT_BITS) << 1), p - DICT);
  }
}
