export { checkHello, checkTick } from "./check.ts";
export { Entries } from "./entries.ts";
export { flattenStats } from "./flatten-stats.ts";
export { hitShare, type Overview, overviewOf, usersText } from "./overview.ts";
export { TracePlayer } from "./player.ts";
export { decodeFrame, type Frame, frameChunks, frameObjects } from "./snapshot-frame.ts";
export { isBytes, nameText, rateText, valueText } from "./stat-text.ts";
export type { Hello, ListenOptions, PlayerCommand, PlayerState, Tick, Viewable } from "./types.ts";
export { type Viewer, type ViewerAddress, type ViewerOptions, viewer } from "./viewer.ts";
