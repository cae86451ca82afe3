export { type Eviction, parseSteps, parseTrace, type Trace, type TraceLine } from "./format.ts";
export { type Recording, record } from "./recorder.ts";
export { type Mismatch, type ReplayOptions, type ReplayResult, replay, replaySteps } from "./replay.ts";
