export { attachPageMemory, createPageMemory, type PageMemory, type SharedMemory } from "./page-memory.ts";
export { type ElementArray, Reach } from "./reach.ts";
export { received, Segment, type SegmentWish, type SharedSegment, segmentOf } from "./segment.ts";
export {
  inFolder,
  prepareSegmentFolder,
  segmentFolder,
  segmentNames,
  segmentPath,
  whenDifferentOption,
} from "./segment-folder.ts";
export type { Agreement, SegmentHeader } from "./segment-header.ts";
export { threadsMemory } from "./threads-memory.ts";
