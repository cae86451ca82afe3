export {
  type AllocLine,
  type CompactLine,
  type Eviction,
  type FreeLine,
  parseSteps,
  parseTrace,
  type ReclaimLine,
  type RefusedAllocLine,
  type ShrinkLine,
  type Trace,
  type TraceHeader,
  type TraceLine,
} from "./format.ts";
export { type Recording, record } from "./recorder.ts";
export { type Mismatch, type ReplayOptions, type ReplayResult, replay, replaySteps } from "./replay.ts";
