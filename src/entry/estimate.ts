/**
 * What compressed memory would save for given data, measured with real codecs and pools.
 *
 * @module
 */
export { type Estimate, type EstimateInput, type EstimateOptions, estimate } from "../estimate/index.ts";
