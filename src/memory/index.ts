export { attachPageMemory, createPageMemory, type PageMemory, type SharedMemory } from "./page-memory.ts";
export { canGiveRoom, type ElementArray, giveRoom, needsRoom, Reach, roomStep, takeRoom } from "./reach.ts";
export { received, Segment, type SegmentWish, type SharedSegment, segmentOf } from "./segment.ts";
export {
  checkSegmentFolder,
  inFolder,
  prepareSegmentFolder,
  segmentFolder,
  segmentNames,
  segmentPath,
  whenDifferentOption,
} from "./segment-folder.ts";
export type { Agreement, SegmentDescription, SegmentHeader } from "./segment-header.ts";
export { lookAtSegment, removeSegment, removeShared, type SegmentLook } from "./segment-look.ts";
export { threadsMemory } from "./threads-memory.ts";
