export { bytesText, countText, percentText, ratioText, timeText } from "../base/index.ts";
export type { PageSizeRange } from "../pool/index.ts";
export { callText, pageSizeText } from "./advice.ts";
export { cacheCallText, codeText, storeCallText, storeCodeText } from "./code.ts";
export { estimate } from "./estimate.ts";
export type { EstimateInput } from "./input.ts";
export { DICTIONARY_PAGES_MIN, estimateKernel, type KernelEstimateOptions } from "./kernel-estimate.ts";
export { codecText, distinctCodecs, isSameCodec } from "./kernel-names.ts";
export { KERNEL_PAGE } from "./kernel-pages.ts";
export { countingText, hereText, pagesText, recompressionText } from "./kernel-texts.ts";
export type {
  KernelAdvice,
  KernelCodecEstimate,
  KernelCodecName,
  KernelEstimate,
  RecompressionEstimate,
} from "./kernel-types.ts";
export { type EstimateOptions, type Goal, UNIT_BYTES_MAX, UNIT_BYTES_MIN } from "./options.ts";
export type {
  Advice,
  CodecEstimate,
  Estimate,
  InputSummary,
  PoolEstimate,
  Setting,
  StoreSetting,
  StoreTry,
  UnitEstimate,
} from "./types.ts";
