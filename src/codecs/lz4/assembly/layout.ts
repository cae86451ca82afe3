/**
 * What lies where in the module's memory. Every address is a constant, so that it folds into the offset of
 * a load or store.
 *
 *     0x000000  constants: shuffle masks
 *     0x001000  TAIL        the last bytes of a result, where the caller has views of each length
 *     0x002000  TABLE       2^13 x u16 or u32: where a sequence of bytes was last seen in the input
 *     0x00a000  DICT_TABLE  2^14 x u16: the same for the dictionary
 *     0x014000  DICT        up to 64 KiB, right-aligned: it ends where PLAIN starts
 *     0x024000  PLAIN       up to 1 MiB of uncompressed bytes, then a margin
 *     0x125000  PACKED      the compressed bytes, then a margin
 *
 * PLAIN is the input of compress and the output of decompress; the dictionary before it is the history of
 * both. PLAIN and PACKED are followed by at least 288 bytes that nobody owns, TAIL by more: loops copy 16
 * or 32 bytes at a time and read ahead without looking at the end. Bytes in front of PLAIN exist too.
 */
export const TAIL: u32 = 0x1000;
export const TABLE: u32 = 0x2000;
export const DICT_TABLE: u32 = 0xa000;
export const DICT: u32 = 0x14000;
export const PLAIN: u32 = 0x24000;
export const PACKED: u32 = 0x125000;

/** Fewest bytes a match can have. */
export const MATCH_BYTES_MIN: u32 = 4;
/** The format ends every block with at least so many literals... */
export const LITERALS_LAST: u32 = 5;
/** ...and starts no match closer than this to the end of the input. */
export const MATCH_START_MARGIN: u32 = 12;
/** Furthest distance of a match. */
export const OFFSET_MAX: u32 = 65535;
/** A literal count or match length of so many or more continues in bytes after the token. */
export const NIBBLE_MAX: u32 = 15;
