/**
 * Compresses one block at a time from a caller's buffer into a caller's buffer, synchronously and without
 * allocating for each call (a codec that cannot keep the latter says so).
 *
 * Source and target are any `Uint8Array`: a `Buffer`, a view of a `SharedArrayBuffer`, of a resizable buffer,
 * at any offset. They must not overlap. A codec keeps state between calls, so one instance belongs to one
 * thread; blocks are independent of each other and of the instance that made them.
 */
export interface Codec {
  /** The name users choose it by. */
  readonly name: string;
  /** 1–255, stored with what it compressed. 1–127 are ours, 128–255 are for users' codecs. */
  readonly id: number;
  /**
   * The most bytes that `n` bytes can become: a target of this length is always large enough.
   *
   * @param n - bytes, an integer from 1 to the most that the codec takes.
   * @throws {ZbudError} `EINVAL` if `n` is outside of that.
   */
  maxCompressedLength(n: number): number;
  /**
   * @param source - at least 1 byte, at most what `maxCompressedLength` accepts.
   * @param target - any length; a shorter one than `maxCompressedLength` asks "only if it gets this small".
   * @returns the bytes written to the start of `target`, or 0 if the result does not fit in it: that is
   *   how a caller says "not worth it". What is behind the returned length is undefined.
   * @throws {ZbudError} `EINVAL` when `source` is empty or too long, or either is not a Uint8Array.
   */
  compress(source: Uint8Array, target: Uint8Array): number;
  /**
   * @param source - exactly what `compress` wrote: neither less nor more.
   * @param target - as long as the original or longer.
   * @returns the bytes written to the start of `target`, at least 1. What is behind them is undefined.
   * @throws {ZbudError} `EBADMSG` when `source` is malformed or holds more than `target` does. Nothing
   *   outside `target` is written; the content of `target` is then undefined. `EINVAL` when either is not a
   *   Uint8Array.
   */
  decompress(source: Uint8Array, target: Uint8Array): number;
}

/**
 * A codec whose compressed bytes pass through an array of its own, the *stage*: a caller copies them from there
 * to where they are kept, and back, by ranges. So neither a view nor a second copy is made for each call.
 *
 * The stage holds one value at a time, and codecs may share one: what lies there is lost with the next call of
 * any codec of this thread.
 */
export interface StagedCodec {
  readonly codec: Codec;
  /** The stage; an other array after {@link reserve} had to make it longer. */
  readonly stage: Uint8Array;
  /** Where compressed bytes begin in it. */
  readonly stageAt: number;
  /** Makes sure that the stage takes `bytes` compressed bytes. False: this codec never takes so many. */
  reserve(bytes: number): boolean;
  /**
   * Compresses the first `length` bytes of `source` to the stage.
   *
   * @returns the bytes there, or 0 if they are more than `room`.
   */
  encode(source: Uint8Array, length: number, room: number): number;
  /** Decompresses the first `bytes` bytes of the stage. Bytes written; throws as `decompress` of the codec. */
  decode(bytes: number, target: Uint8Array): number;
}
