import type { KernelCodecEstimate, KernelCodecName } from "./kernel-types.ts";

/** The level of zstd that the kernel takes by itself. */
export const ZSTD_DEFAULT = 3;

/** Whether it needs what zram calls parameters: a level that is not its own, or a dictionary. */
export function hasParameters({ algorithm, level, dictionaryBytes }: KernelCodecName): boolean {
  return dictionaryBytes !== null || (algorithm === "zstd" && level !== ZSTD_DEFAULT);
}

export function nameOf({ algorithm, level, dictionaryBytes }: KernelCodecName): KernelCodecName {
  return { algorithm, level, dictionaryBytes };
}

/** `zstd level 3 with a dictionary`. */
export function codecText({ algorithm, level, dictionaryBytes }: KernelCodecName): string {
  return `${algorithm}${level === null ? "" : ` level ${level}`}${dictionaryBytes === null ? "" : " with a dictionary"}`;
}

/** Those whose sizes differ so much that they are worth a chart: of zstd's levels the kernel's own and the advised. */
export function distinctCodecs(
  codecs: readonly KernelCodecEstimate[],
  advised: KernelCodecName | null,
): KernelCodecEstimate[] {
  return codecs.filter(
    (codec) =>
      codec.sizes !== null &&
      (codec.dictionaryBytes !== null || !hasParameters(codec) || isSameCodec(codec, advised)),
  );
}

/** Whether both name the same way to compress. */
export function isSameCodec(a: KernelCodecName, b: KernelCodecName | null): boolean {
  return a.algorithm === b?.algorithm && a.level === b.level && a.dictionaryBytes === b.dictionaryBytes;
}
