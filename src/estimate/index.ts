export { settingText } from "./advice.ts";
export { estimate } from "./estimate.ts";
export { type EstimateOptions, UNIT_BYTES_MAX, UNIT_BYTES_MIN } from "./options.ts";
export type { ProcessHost } from "./process-memory.ts";
export type { EstimateInput } from "./reader.ts";
export type {
  Advice,
  CodecEstimate,
  Estimate,
  FitSummary,
  InputSummary,
  PoolEstimate,
  ProcessSummary,
  SampleSummary,
  Setting,
  UnitEstimate,
} from "./types.ts";
export { bytesText, countText, percentText, ratioText, timeText } from "./words.ts";
