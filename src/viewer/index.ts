export { checkHello, checkTick } from "./check.ts";
export { figuresOf } from "./figures.ts";
export { decodeFrame, type Frame, frameChunks, frameObjects } from "./frame.ts";
export { TracePlayer } from "./player.ts";
export type {
  Hello,
  ListenOptions,
  PlayerCommand,
  PlayerControls,
  PlayerState,
  Tick,
  Viewable,
} from "./types.ts";
export { type Viewer, type ViewerAddress, type ViewerOptions, viewer } from "./viewer.ts";
export { isBytes, nameText, valueText } from "./words.ts";
