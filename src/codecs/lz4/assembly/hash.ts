/** `bits` of a multiplicative hash of 4 bytes (2^32 divided by the golden ratio). */
@inline
export function hash4(sequence: u32, bits: u32): u32 {
  return (sequence * 2654435761) >> (32 - bits);
}

/** `bits` of a multiplicative hash of the lower 5 of 8 bytes. */
@inline
export function hash5(sequence: u64, bits: u32): u32 {
  return <u32>(((sequence << 24) * 889523592379) >> (64 - bits));
}
