/**
 * A second tier in Redis or Valkey that several machines share as one truth.
 *
 * @module
 */
export { type RedisTierOptions, redisTier } from "../adapters/redis.ts";
