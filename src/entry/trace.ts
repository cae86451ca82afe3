/**
 * Traces: what a program asked of a pool, line by line, to be recorded and played again with others.
 *
 * @module
 */
export {
  parseTrace,
  type Recording,
  type ReplayOptions,
  type ReplayResult,
  record,
  replay,
  type Trace,
  type TraceLine,
} from "../trace/index.ts";
